#!/usr/bin/perl
# The DBD::MariaDB client of the matrix. The contract of scenarios and environment stands in ../README.md.
use strict;
use warnings;
use utf8;
use DBI;
use Digest::SHA;
use Encode 'decode';
use JSON::PP;

binmode STDOUT, ':raw';
my $tag = $ENV{ELX_TAG};

sub connect_how {
    my (%how) = @_;
    my $dsn = "DBI:MariaDB:host=$ENV{ELX_HOST};port=$ENV{ELX_PORT};database=" . ($how{database} // $ENV{ELX_DATABASE});
    my %tls = ($how{plain} || $ENV{ELX_TLS} eq 'off') ? ()
        : (mariadb_ssl => 1, mariadb_ssl_ca_file => $how{ca} // $ENV{ELX_CA}, mariadb_ssl_verify_server_cert => 1);
    return DBI->connect($dsn, $how{user} // $ENV{ELX_USER}, $how{password} // $ENV{ELX_PASSWORD}, {
        RaiseError => 1, PrintError => 0, AutoCommit => 1, %tls,
        mariadb_local_infile => 1, mariadb_multi_statements => 1, mariadb_compression => $how{compress} ? 1 : 0,
        mariadb_server_prepare => 1, mariadb_server_prepare_disable_fallback => 0,
    });
}

sub error {
    my ($handle) = @_;
    my ($code, $state, $message) = ($handle ? $handle->err : $DBI::err, $handle ? $handle->state : $DBI::state,
        $handle ? $handle->errstr : $DBI::errstr);
    return { code => ($code // 0) + 0 || undef, state => $state, message => $message // "$@" };
}

sub text_rows { return [map { [map { defined $_ ? "$_" : undef } @$_] } @{ $_[0] }]; }

# By the text protocol: several result sets, statements that cannot be prepared.
sub results {
    my ($dbh, $sql) = @_;
    my $sth = $dbh->prepare($sql, { mariadb_server_prepare => 0 });
    $sth->execute;
    my @all;
    do {
        push @all, text_rows($sth->fetchall_arrayref) if $sth->{NUM_OF_FIELDS};
    } while ($sth->more_results);
    return { results => \@all };
}

sub one { my ($dbh, $sql, @values) = @_; return ($dbh->selectrow_array($sql, undef, @values))[0]; }

sub login {
    my ($dbh) = @_;
    return { cipher => $dbh->{mariadb_ssl_cipher}, user => one($dbh, 'SELECT CURRENT_USER()') };
}

sub prepared {
    my ($dbh) = @_;
    my $insert = $dbh->prepare('INSERT INTO things (client, num, txt, val) VALUES (?, ?, ?, ?)');
    $insert->execute($tag, $_ * 1000000007, $_ == 3 ? undef : "Text $_ ü", $_ + 0.5) for 1 .. 3;
    my $query = $dbh->prepare('SELECT num, txt, val FROM things WHERE client = ? AND num >= ? ORDER BY num');
    $query->execute($tag, 2000000014);
    return { rows => text_rows($query->fetchall_arrayref) };
}

sub transaction {
    my ($dbh) = @_;
    my $count = sub { "" . one($dbh, 'SELECT COUNT(*) FROM things WHERE client = ?', "$tag-tx") };
    my $insert = sub { $dbh->do('INSERT INTO things (client, num) VALUES (?, 1)', undef, "$tag-tx") };
    $dbh->begin_work;
    $insert->();
    $dbh->rollback;
    my $after = $count->();
    $dbh->begin_work;
    $insert->();
    $dbh->commit;
    return { after_rollback => $after, after_commit => $count->() };
}

sub blob {
    my ($dbh) = @_;
    open(my $f, '<:raw', $ENV{ELX_BLOB}) or die;
    my $data = do { local $/; <$f> };
    my $sth = $dbh->prepare('INSERT INTO blobs (client, bin) VALUES (?, ?)');
    $sth->bind_param(1, $tag);
    $sth->bind_param(2, $data, DBI::SQL_BLOB());
    $sth->execute;
    local $dbh->{LongReadLen} = 64 * 1024 * 1024;
    my $out = $dbh->prepare('SELECT bin FROM blobs WHERE client = ?', { mariadb_server_prepare => 0 });
    $out->execute($tag);
    return { sha256 => Digest::SHA::sha256_hex($out->fetchrow_arrayref->[0]) };
}

sub packets {
    my ($dbh) = @_;
    my @totals = (0xfffffe, 0xffffff, 0x1000000, 2 * 0xffffff);
    my (@sent, @received);
    for my $total (@totals) {
        my $n = $total - 1 - length("SELECT LENGTH('')");
        push @sent, results($dbh, "SELECT LENGTH('" . ('a' x $n) . "')")->{results}[0][0][0] - $n;
    }
    for my $total (@totals) {
        my $n = $total - ($total - 4 <= 0xffffff ? 4 : 9);
        my $value = results($dbh, "SELECT REPEAT('b', $n)")->{results}[0][0][0];
        push @received, $value =~ /^b+$/ ? length($value) - $n : -1;
    }
    return { sent => \@sent, received => \@received };
}

sub rows {
    my ($dbh) = @_;
    my ($count, $sum, $last) = (0, 0, '');
    my $sth = $dbh->prepare("SELECT seq, CONCAT('row ', seq) FROM seq_1_to_100000",
        { mariadb_server_prepare => 0 });
    $sth->execute;
    while (my $row = $sth->fetchrow_arrayref) {
        $count++;
        $sum += $row->[0];
        $last = $row->[1];
    }
    return { count => $count, sum => $sum, last => $last };
}

sub kill_idle {
    my ($dbh) = @_;
    my $other = connect_how();
    $other->do("KILL $dbh->{mariadb_thread_id}");
    $other->disconnect;
    return results($dbh, 'SELECT 1');
}

sub umlauts {
    my ($dbh) = @_;
    $dbh->do('INSERT INTO things (client, txt) VALUES (?, ?)', undef, "$tag-utf", 'Grüezi Zürich ÄÖÜß éà € 😀');
    return {
        text => one($dbh, 'SELECT txt FROM things WHERE client = ?', "$tag-utf"),
        hex => one($dbh, 'SELECT HEX(txt) FROM things WHERE client = ?', "$tag-utf"),
    };
}

sub local_infile {
    my ($dbh) = @_;
    results($dbh, "LOAD DATA LOCAL INFILE '$ENV{ELX_INFILE}' INTO TABLE loaded (n, word) SET client = '$tag'");
    return results($dbh, "SELECT COUNT(*), SUM(n), MAX(LENGTH(word)) FROM loaded WHERE client = '$tag'");
}

sub session_vars {
    my ($dbh) = @_;
    $dbh->do("SET SESSION wait_timeout = 4242, SESSION sql_mode = 'ANSI_QUOTES'");
    return results($dbh, 'SELECT @@wait_timeout, @@sql_mode');
}

sub attributes {
    my ($dbh) = @_;
    return results($dbh, 'SELECT ATTR_NAME, ATTR_VALUE FROM performance_schema.session_connect_attrs '
        . 'WHERE PROCESSLIST_ID = CONNECTION_ID()');
}

sub bulk {
    my ($dbh) = @_;
    my $sth = $dbh->prepare('INSERT INTO things (client, num) VALUES (?, ?)');
    $dbh->begin_work;
    $sth->execute("$tag-bulk", $_) for 1 .. 1000;
    $dbh->commit;
    return results($dbh, "SELECT COUNT(*), SUM(num) FROM things WHERE client = '$tag-bulk'");
}

sub server {
    my ($dbh) = @_;
    return {
        announced => $dbh->{mariadb_serverinfo}, version => one($dbh, 'SELECT VERSION()'),
        same_thread => one($dbh, 'SELECT CONNECTION_ID()') == $dbh->{mariadb_thread_id} ? JSON::PP::true : JSON::PP::false,
        ping => $dbh->ping ? JSON::PP::true : JSON::PP::false,
    };
}

sub compress {
    my ($dbh) = @_;
    return {
        compression => results($dbh, "SHOW SESSION STATUS LIKE 'Compression'")->{results}[0][0][1],
        length => "" . one($dbh, 'SELECT LENGTH(GROUP_CONCAT(seq)) FROM seq_1_to_1000'),
    };
}

sub sql_error {
    my ($dbh) = @_;
    eval { results($dbh, 'SELECT FROM WHERE') };
    my $refused = error();
    return { refused => $refused, after => "" . one($dbh, 'SELECT 1') };
}

my %logins = (
    tls => {}, wrong_ca => { ca => $ENV{ELX_WRONG_CA} }, plaintext => { plain => 1 },
    wrong_password => { password => 'not the password' }, unknown_database => { database => 'elx_nowhere' },
);
my %sql = (
    query => "SELECT 1, 'abc', NULL", multi => "SELECT 1; SELECT 2, 'zwei'; SELECT 3", call => 'CALL two_results()',
    sleep => "SELECT SLEEP(60) /* wait $tag */", cancelled => "SELECT SLEEP(60) /* cancel $tag */",
);
my %connected = (
    prepared => \&prepared, transaction => \&transaction, blob => \&blob, packets => \&packets, rows => \&rows,
    kill_idle => \&kill_idle, umlauts => \&umlauts, local_infile => \&local_infile, session_vars => \&session_vars,
    attributes => \&attributes, bulk => \&bulk, server => \&server, compress => \&compress, sql_error => \&sql_error,
);

sub scenario {
    my ($name) = @_;
    return login(connect_how(%{ $logins{$name} })) if $logins{$name};
    return login(connect_how(user => $1, password => $2)) if $name =~ /^login:(.*?):(.*)$/;
    return results(connect_how(), $sql{$name}) if $sql{$name};
    return $connected{$name}->(connect_how(compress => $name eq 'compress')) if $connected{$name};
    return { unsupported => JSON::PP::true };
}

$| = 1;
for my $name (map { decode('UTF-8', $_) } @ARGV) {
    my $result = eval { scenario($name) } // { error => error() };
    print JSON::PP->new->utf8->canonical->encode({ scenario => $name, %$result }), "\n";
}
