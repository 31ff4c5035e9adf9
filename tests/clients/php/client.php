<?php
// The PHP (mysqlnd) clients of the matrix: client.php mysqli|pdo SCENARIO... The contract of scenarios and environment stands in
// ../README.md.
declare(strict_types=1);
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
ini_set('memory_limit', '1G');

function env(string $name): string { return (string)getenv($name); }
function text($v) { return $v === null ? null : (string)$v; }
function tag(string $suffix = ''): string { return env('ELX_TAG') . $suffix; }

abstract class Client
{
    abstract public function connect(array $how): void;
    /** All result sets of rows of strings. */
    abstract public function results(string $sql): array;
    abstract public function prepared(string $sql, array $values): array;
    abstract public function run(string $sql): void;
    abstract public function begin(): void;
    abstract public function commit(): void;
    abstract public function rollback(): void;
    abstract public function close(): void;
    /** [count, sum of the first column, last value of the second] without holding all rows. */
    abstract public function scan(string $sql): array;
    abstract public function announced(): string;

    public function one(string $sql) { return $this->results($sql)[0][0][0] ?? null; }
    public function changeUser(string $user, string $password): bool { return false; }
    public function threadId(): int { return (int)$this->one('SELECT CONNECTION_ID()'); }
    public function ping(): bool { return true; }
    public function blobOut(string $sql): string { return (string)$this->one($sql); }
}

final class MysqliClient extends Client
{
    private mysqli $c;

    public function connect(array $how): void
    {
        $this->c = mysqli_init();
        $plain = ($how['plain'] ?? false) || env('ELX_TLS') === 'off';
        $flags = !empty($how['compress']) ? MYSQLI_CLIENT_COMPRESS : 0;
        $this->c->options(MYSQLI_OPT_LOCAL_INFILE, 1);
        if (!$plain) {
            $this->c->options(MYSQLI_OPT_SSL_VERIFY_SERVER_CERT, 1);
            $this->c->ssl_set(null, null, $how['ca'] ?? env('ELX_CA'), null, null);
            $flags |= MYSQLI_CLIENT_SSL;
        }
        $this->c->real_connect(env('ELX_HOST'), $how['user'] ?? env('ELX_USER'), $how['password'] ?? env('ELX_PASSWORD'),
            $how['database'] ?? env('ELX_DATABASE'), (int)env('ELX_PORT'), null, $flags);
        $this->c->set_charset('utf8mb4');
    }

    public function results(string $sql): array
    {
        $all = [];
        $this->c->multi_query($sql);
        do {
            if ($result = $this->c->store_result()) {
                $all[] = array_map(fn ($row) => array_map('text', $row), $result->fetch_all());
                $result->free();
            }
        } while ($this->c->more_results() && $this->c->next_result());
        return $all;
    }

    public function prepared(string $sql, array $values): array
    {
        $s = $this->c->prepare($sql);
        $types = implode('', array_map(fn ($v) => is_int($v) ? 'i' : (is_float($v) ? 'd' : 's'), $values));
        $s->bind_param($types, ...$values);
        $s->execute();
        $result = $s->get_result();
        return $result ? array_map(fn ($row) => array_map('text', $row), $result->fetch_all()) : [];
    }

    public function scan(string $sql): array
    {
        [$count, $sum, $last] = [0, 0, ''];
        $result = $this->c->query($sql, MYSQLI_USE_RESULT);
        while ($row = $result->fetch_row()) {
            $count++;
            $sum += (int)$row[0];
            $last = $row[1];
        }
        $result->free();
        return [$count, $sum, $last];
    }

    /** COM_STMT_SEND_LONG_DATA in pieces. */
    public function blobIn(string $data): void
    {
        $s = $this->c->prepare('INSERT INTO blobs (client, bin) VALUES (?, ?)');
        $tag = tag();
        $null = null;
        $s->bind_param('sb', $tag, $null);
        foreach (str_split($data, 3000000) as $piece) {
            $s->send_long_data(1, $piece);
        }
        $s->execute();
    }

    /** A read-only cursor; mysqlnd takes one row at a time. */
    public function cursor(string $sql): array
    {
        $s = $this->c->prepare($sql);
        $s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
        $s->execute();
        $s->bind_result($value);
        [$count, $sum] = [0, 0];
        while ($s->fetch()) {
            $count++;
            $sum += (int)$value;
        }
        return [$count, $sum];
    }

    public function run(string $sql): void { $this->c->query($sql); }
    public function begin(): void { $this->c->begin_transaction(); }
    public function commit(): void { $this->c->commit(); }
    public function rollback(): void { $this->c->rollback(); }
    public function close(): void { $this->c->close(); }
    public function announced(): string { return $this->c->server_info; }
    public function threadId(): int { return $this->c->thread_id; }
    public function ping(): bool { return $this->c->ping() && str_contains((string)$this->c->stat(), 'Uptime'); }

    public function changeUser(string $user, string $password): bool
    {
        $this->c->change_user($user, $password, env('ELX_DATABASE'));
        return true;
    }
}

final class PdoClient extends Client
{
    private ?PDO $c = null;

    public function connect(array $how): void
    {
        $plain = ($how['plain'] ?? false) || env('ELX_TLS') === 'off';
        $options = [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::ATTR_EMULATE_PREPARES => false,
            PDO::MYSQL_ATTR_LOCAL_INFILE => true,
        ];
        if (!$plain) {
            $options[PDO::MYSQL_ATTR_SSL_CA] = $how['ca'] ?? env('ELX_CA');
            $options[PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT] = true;
        }
        if (!empty($how['compress'])) {
            $options[PDO::MYSQL_ATTR_COMPRESS] = true;
        }
        $dsn = sprintf('mysql:host=%s;port=%s;dbname=%s;charset=utf8mb4', env('ELX_HOST'), env('ELX_PORT'),
            $how['database'] ?? env('ELX_DATABASE'));
        $this->c = new PDO($dsn, $how['user'] ?? env('ELX_USER'), $how['password'] ?? env('ELX_PASSWORD'), $options);
    }

    /** Text protocol and multi-statements need emulation: exec and query without parameters are sent as they are. */
    public function results(string $sql): array
    {
        $this->c->setAttribute(PDO::ATTR_EMULATE_PREPARES, true);
        try {
            $all = [];
            $s = $this->c->query($sql);
            do {
                if ($s->columnCount() > 0) {
                    $all[] = array_map(fn ($row) => array_map('text', $row), $s->fetchAll(PDO::FETCH_NUM));
                }
            } while ($s->nextRowset());
            return $all;
        } finally {
            $this->c->setAttribute(PDO::ATTR_EMULATE_PREPARES, false);
        }
    }

    public function prepared(string $sql, array $values): array
    {
        $s = $this->c->prepare($sql);
        foreach ($values as $i => $v) {
            $s->bindValue($i + 1, $v, $v === null ? PDO::PARAM_NULL : (is_int($v) ? PDO::PARAM_INT : PDO::PARAM_STR));
        }
        $s->execute();
        return $s->columnCount() ? array_map(fn ($row) => array_map('text', $row), $s->fetchAll(PDO::FETCH_NUM)) : [];
    }

    public function scan(string $sql): array
    {
        $this->c->setAttribute(PDO::MYSQL_ATTR_USE_BUFFERED_QUERY, false);
        [$count, $sum, $last] = [0, 0, ''];
        $s = $this->c->query($sql);
        while ($row = $s->fetch(PDO::FETCH_NUM)) {
            $count++;
            $sum += (int)$row[0];
            $last = $row[1];
        }
        $s->closeCursor();
        return [$count, $sum, $last];
    }

    public function blobIn(string $data): void
    {
        $this->prepared('INSERT INTO blobs (client, bin) VALUES (?, ?)', [tag(), $data]);
    }

    public function run(string $sql): void { $this->c->exec($sql); }
    public function begin(): void { $this->c->beginTransaction(); }
    public function commit(): void { $this->c->commit(); }
    public function rollback(): void { $this->c->rollBack(); }
    public function close(): void { $this->c = null; }
    public function announced(): string { return $this->c->getAttribute(PDO::ATTR_SERVER_VERSION); }
}

function failure(Throwable $e, array $warnings = []): array
{
    $state = $e instanceof PDOException ? ($e->errorInfo[0] ?? null) : ($e instanceof mysqli_sql_exception ? $e->getSqlState() : null);
    $code = $e instanceof PDOException ? ($e->errorInfo[1] ?? $e->getCode()) : $e->getCode();
    return ['code' => is_int($code) && $code > 0 ? $code : null, 'state' => $state,
        'message' => implode(' ', [$e->getMessage(), ...$warnings])];
}

function login(Client $c): array { return ['cipher' => null, 'user' => $c->one('SELECT CURRENT_USER()')]; }

function prepared(Client $c): array
{
    for ($i = 1; $i <= 3; $i++) {
        $c->prepared('INSERT INTO things (client, num, txt, val) VALUES (?, ?, ?, ?)',
            [tag(), $i * 1000000007, $i === 3 ? null : "Text $i ü", $i + 0.5]);
    }
    return ['rows' => $c->prepared('SELECT num, txt, val FROM things WHERE client = ? AND num >= ? ORDER BY num', [tag(), 2000000014])];
}

function transaction(Client $c): array
{
    $insert = sprintf("INSERT INTO things (client, num) VALUES ('%s', 1)", tag('-tx'));
    $count = sprintf("SELECT COUNT(*) FROM things WHERE client = '%s'", tag('-tx'));
    $c->begin();
    $c->run($insert);
    $c->rollback();
    $after = $c->one($count);
    $c->begin();
    $c->run($insert);
    $c->commit();
    return ['after_rollback' => $after, 'after_commit' => $c->one($count)];
}

function blob(Client $c): array
{
    $c->blobIn(file_get_contents(env('ELX_BLOB')));
    return ['sha256' => hash('sha256', $c->blobOut(sprintf("SELECT bin FROM blobs WHERE client = '%s'", tag())))];
}

function packets(Client $c): array
{
    $totals = [0xfffffe, 0xffffff, 0x1000000, 2 * 0xffffff];
    $sent = $received = [];
    foreach ($totals as $total) {
        $n = $total - 1 - strlen("SELECT LENGTH('')");
        $sent[] = (int)$c->one("SELECT LENGTH('" . str_repeat('a', $n) . "')") - $n;
    }
    foreach ($totals as $total) {
        $n = $total - ($total - 4 <= 0xffffff ? 4 : 9);
        $value = (string)$c->one("SELECT REPEAT('b', $n)");
        $received[] = strspn($value, 'b') === strlen($value) ? strlen($value) - $n : -1;
    }
    return ['sent' => $sent, 'received' => $received];
}

function rows(Client $c): array
{
    [$count, $sum, $last] = $c->scan("SELECT seq, CONCAT('row ', seq) FROM seq_1_to_100000");
    return ['count' => $count, 'sum' => $sum, 'last' => $last];
}

function kill_idle(Client $c): array
{
    $other = clone $c;
    $other->connect([]);
    $id = $c->threadId();
    $other->run("KILL $id");
    $other->close();
    return ['results' => $c->results('SELECT 1')];
}

function umlauts(Client $c): array
{
    $c->run(sprintf("INSERT INTO things (client, txt) VALUES ('%s', 'Grüezi Zürich ÄÖÜß éà € 😀')", tag('-utf')));
    return ['text' => $c->one(sprintf("SELECT txt FROM things WHERE client = '%s'", tag('-utf'))),
        'hex' => $c->one(sprintf("SELECT HEX(txt) FROM things WHERE client = '%s'", tag('-utf')))];
}

function local_infile(Client $c): array
{
    $c->run(sprintf("LOAD DATA LOCAL INFILE '%s' INTO TABLE loaded (n, word) SET client = '%s'", env('ELX_INFILE'), tag()));
    return ['results' => $c->results(sprintf("SELECT COUNT(*), SUM(n), MAX(LENGTH(word)) FROM loaded WHERE client = '%s'", tag()))];
}

function cursor(Client $c): array
{
    if (!method_exists($c, 'cursor')) {
        return ['unsupported' => true];
    }
    [$count, $sum] = $c->cursor('SELECT seq FROM seq_1_to_2500');
    return ['count' => $count, 'sum' => $sum];
}

function session_vars(Client $c): array
{
    $c->run("SET SESSION wait_timeout = 4242, SESSION sql_mode = 'ANSI_QUOTES'");
    return ['results' => $c->results('SELECT @@wait_timeout, @@sql_mode')];
}

function attributes(Client $c): array
{
    return ['results' => $c->results('SELECT ATTR_NAME, ATTR_VALUE FROM performance_schema.session_connect_attrs ' .
        'WHERE PROCESSLIST_ID = CONNECTION_ID()')];
}

function bulk(Client $c): array
{
    $c->begin();
    for ($i = 1; $i <= 1000; $i++) {
        $c->prepared('INSERT INTO things (client, num) VALUES (?, ?)', [tag('-bulk'), $i]);
    }
    $c->commit();
    return ['results' => $c->results(sprintf("SELECT COUNT(*), SUM(num) FROM things WHERE client = '%s'", tag('-bulk')))];
}

function server(Client $c): array
{
    return ['announced' => $c->announced(), 'version' => $c->one('SELECT VERSION()'),
        'same_thread' => (int)$c->one('SELECT CONNECTION_ID()') === $c->threadId(), 'ping' => $c->ping()];
}

function compress(Client $c): array
{
    return ['compression' => $c->results("SHOW SESSION STATUS LIKE 'Compression'")[0][0][1],
        'length' => $c->one('SELECT LENGTH(GROUP_CONCAT(seq)) FROM seq_1_to_1000')];
}

function sql_error(Client $c): array
{
    $refused = null;
    try {
        $c->run('SELECT FROM WHERE');
    } catch (Exception $e) {
        $refused = failure($e);
    }
    return ['refused' => $refused, 'after' => $c->one('SELECT 1')];
}

function change_user(Client $c, string $user, string $password): array
{
    if (!$c->changeUser($user, $password)) {
        return ['unsupported' => true];
    }
    $result = ['user' => $c->one('SELECT CURRENT_USER()'), 'database' => $c->one('SELECT DATABASE()'), 'refused' => null];
    try {
        $c->changeUser($user, 'not the password');
    } catch (Exception $e) {
        $result['refused'] = failure($e);
    }
    return $result;
}

const SQL = [
    'query' => "SELECT 1, 'abc', NULL",
    'multi' => "SELECT 1; SELECT 2, 'zwei'; SELECT 3",
    'call' => 'CALL two_results()',
];

function scenario(Client $c, string $name): array
{
    [$kind, $user, $password] = explode(':', $name) + [1 => '', 2 => ''];
    $logins = ['tls' => [], 'wrong_ca' => ['ca' => env('ELX_WRONG_CA')], 'plaintext' => ['plain' => true],
        'wrong_password' => ['password' => 'not the password'], 'unknown_database' => ['database' => 'elx_nowhere'],
        'login' => ['user' => $user, 'password' => $password]];
    $plainly = ['prepared', 'transaction', 'blob', 'packets', 'rows', 'kill_idle', 'umlauts', 'local_infile', 'cursor',
        'session_vars', 'attributes', 'bulk', 'server', 'compress', 'sql_error'];
    if (isset($logins[$kind])) {
        $c->connect($logins[$kind]);
        return login($c);
    }
    $c->connect(['compress' => $name === 'compress']);
    if ($kind === 'change_user') {
        return change_user($c, $user, $password);
    }
    if ($name === 'sleep' || $name === 'cancelled') {
        return ['results' => $c->results(sprintf('SELECT SLEEP(60) /* %s %s */', $name === 'sleep' ? 'wait' : 'cancel', tag()))];
    }
    if (isset(SQL[$name])) {
        return ['results' => $c->results(SQL[$name])];
    }
    return in_array($name, $plainly, true) ? $name($c) : ['unsupported' => true];
}

$warnings = [];
set_error_handler(function ($level, $message) use (&$warnings) { $warnings[] = $message; return true; });
foreach (array_slice($argv, 2) as $name) {
    $warnings = [];
    try {
        $result = scenario($argv[1] === 'pdo' ? new PdoClient() : new MysqliClient(), $name);
    } catch (Exception $e) {
        $result = ['error' => failure($e, $warnings)];
    }
    echo json_encode(['scenario' => $name] + $result, JSON_UNESCAPED_UNICODE), "\n";
}
