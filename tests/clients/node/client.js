// The npm drivers of the matrix: client.js DRIVER SCENARIO... with DRIVER one of mysql2, mysql, mariadb, or mysql2-1.7,
// the version that Webelexis uses. The contract of scenarios and environment stands in ../README.md.
'use strict';

const crypto = require('crypto');
const fs = require('fs');

const env = process.env;
const tag = env.ELX_TAG;

const text = (v) => (v === null || v === undefined ? null : Buffer.isBuffer(v) ? v.toString() : String(v));
const toRows = (rows) => rows.map((r) => r.map(text));
const isRows = (r) => Array.isArray(r) && Array.isArray(r[0]);
// The result sets in what a query gave: rows of one, or a list of rows and OK packets.
const sets = (r) => (isRows(r) && !isRows(r[0]) ? [r] : r.filter(isRows)).map(toRows);

function failure(e) {
  return { code: e.errno > 0 ? e.errno : null, state: e.sqlState || null, message: e.sqlMessage || e.message, name: e.code };
}

function settings(how) {
  const plain = how.plain || env.ELX_TLS === 'off';
  return {
    host: env.ELX_HOST,
    port: Number(env.ELX_PORT),
    user: how.user ?? env.ELX_USER,
    password: how.password ?? env.ELX_PASSWORD,
    database: how.database ?? env.ELX_DATABASE,
    ssl: plain ? undefined : { ca: fs.readFileSync(how.ca || env.ELX_CA), rejectUnauthorized: true },
    compress: how.compress,
  };
}

// mysql2 and mysql have the same callback interface; only few names differ.
class Callback {
  constructor(driver, name) {
    Object.assign(this, { driver, name });
    this.connectAttributes = name !== 'mysql';
  }

  async connect(how) {
    const options = {
      ...settings(how),
      multipleStatements: true,
      charset: 'utf8mb4',
      supportBigNumbers: true,
      bigNumberStrings: true,
      dateStrings: true,
      rowsAsArray: true,
    };
    delete options.compress;
    if (how.compress && this.name !== 'mysql') options.compress = true;
    if (this.connectAttributes) options.connectAttributes = { program_name: 'elx-client-node', practice: 'Praxis Zürich' };
    if (how.infile && this.name !== 'mysql') options.infileStreamFactory = (path) => fs.createReadStream(path);
    if (this.name !== 'mysql' && options.ssl) options.ssl.verifyIdentity = true;
    const c = this.driver.createConnection(options);
    c.on('error', () => {}); // the failing call reports it
    await new Promise((resolve, reject) => c.connect((e) => (e ? reject(e) : resolve())));
    return c;
  }

  // mysql gives rows as objects, whose keys keep the columns' order.
  shape(r) {
    if (Array.isArray(r)) return r.map((v) => this.shape(v));
    return r && r.constructor.name === 'RowDataPacket' ? Object.values(r) : r;
  }

  call(c, method, ...args) {
    return new Promise((resolve, reject) => {
      c[method](...args, (e, r) => (e ? reject(e) : resolve(this.shape(r))));
    });
  }

  query(c, sql, values) { return this.call(c, 'query', sql, values || []); }
  prepared(c, sql, values) { return this.call(c, this.name === 'mysql' ? 'query' : 'execute', sql, values); }
  changeUser(c, user, password) { return this.call(c, 'changeUser', { user, password, database: env.ELX_DATABASE }); }
  ping(c) { return this.call(c, 'ping'); }
  threadId(c) { return c.threadId; }

  cipher(c) {
    return c.stream && c.stream.getCipher ? c.stream.getCipher().name : null;
  }

  reset(c) { return c.reset ? this.call(c, 'reset') : undefined; }

  rows(c, sql, each) {
    return new Promise((resolve, reject) => c.query(sql).on('error', reject).on('result', (r) => each(Object.values(r))).on('end', resolve));
  }

  end(c) { c.destroy(); }
}

class MariaDB {
  constructor(driver) { this.driver = driver; this.name = 'mariadb'; this.connectAttributes = true; }

  async connect(how) {
    const c = await this.driver.createConnection({
      ...settings(how),
      multipleStatements: true,
      permitLocalInfile: !how.pipelining,
      rowsAsArray: true,
      bigIntAsNumber: false,
      dateStrings: true,
      maxAllowedPacket: 256 << 20,
      pipelining: how.pipelining,
      connectAttributes: { program_name: 'elx-client-node', practice: 'Praxis Zürich' },
      connectTimeout: 10000,
    });
    c.on('error', () => {});
    return c;
  }

  query(c, sql, values) { return c.query(sql, values); }
  prepared(c, sql, values) { return c.execute(sql, values); }
  changeUser(c, user, password) { return c.changeUser({ user, password, database: env.ELX_DATABASE }); }
  ping(c) { return c.ping(); }
  threadId(c) { return c.threadId; }

  cipher() { return null; }

  reset(c) { return c.reset(); }

  async rows(c, sql, each) {
    for await (const r of c.queryStream(sql)) each(r);
  }

  end(c) { c.destroy(); }
}

const one = async (d, c, sql, values) => {
  const r = await d.query(c, sql, values);
  return text(r[0][0]);
};

const withConnection = (fn, how) => async (d) => {
  const c = await d.connect(how || {});
  try { return await fn(d, c); } finally { d.end(c); }
};

const run = (sql) => withConnection(async (d, c) => ({ results: sets(await d.query(c, sql)) }));

const login = (how) => withConnection(async (d, c) => ({ cipher: d.cipher(c), user: await one(d, c, 'SELECT CURRENT_USER()') }), how);

async function checked(promise) {
  try { await promise; return null; } catch (e) { return failure(e); }
}

// Lengths of payloads around the 16 MiB where the protocol splits packets, and what two drivers get wrong without any
// gate: mysql2 counts its packets wrongly after one of 0xfffffe bytes, mysql waits for ever for the rest of a row of
// twice 0xffffff.
const TOTALS = [0xfffffe, 0xffffff, 0x1000000, 2 * 0xffffff];
const BUGGY = { mysql2: { sent: 0xfffffe }, mysql: { received: 2 * 0xffffff } };

const scenarios = {
  tls: login({}),
  wrong_ca: login({ ca: env.ELX_WRONG_CA }),
  plaintext: login({ plain: true }),
  wrong_password: login({ password: 'not the password' }),
  unknown_database: login({ database: 'elx_nowhere' }),
  query: run("SELECT 1 AS a, 'abc' AS b, NULL AS c"),
  multi: run("SELECT 1 AS a; SELECT 2 AS a, 'zwei' AS b; SELECT 3 AS a"),
  call: run('CALL two_results()'),
  session_vars: withConnection(async (d, c) => {
    await d.query(c, "SET SESSION wait_timeout = 4242, SESSION sql_mode = 'ANSI_QUOTES'");
    return { results: [toRows(await d.query(c, 'SELECT @@wait_timeout, @@sql_mode'))] };
  }),

  server: withConnection(async (d, c) => {
    await d.ping(c);
    return {
      announced: c.serverVersion ? c.serverVersion() : c._handshakePacket ? c._handshakePacket.serverVersion
        : c._protocol ? c._protocol._handshakeInitializationPacket.serverVersion : null,
      version: await one(d, c, 'SELECT VERSION()'),
      same_thread: Number(await one(d, c, 'SELECT CONNECTION_ID()')) === Number(d.threadId(c)),
      ping: true,
    };
  }),

  prepared: withConnection(async (d, c) => {
    for (let i = 1; i <= 3; i += 1) {
      await d.prepared(c, 'INSERT INTO things (client, num, txt, val) VALUES (?, ?, ?, ?)',
        [tag, i * 1000000007, i === 3 ? null : `Text ${i} ü`, i + 0.5]);
    }
    const r = await d.prepared(c, 'SELECT num, txt, val FROM things WHERE client = ? AND num >= ? ORDER BY num', [tag, 2000000014]);
    return { rows: toRows(r) };
  }),

  transaction: withConnection(async (d, c) => {
    const count = () => one(d, c, 'SELECT COUNT(*) FROM things WHERE client = ?', [`${tag}-tx`]);
    const insert = () => d.query(c, 'INSERT INTO things (client, num) VALUES (?, 1)', [`${tag}-tx`]);
    const step = (name) => (d.name === 'mariadb' ? c[name]() : d.call(c, name));
    await step('beginTransaction');
    await insert();
    await step('rollback');
    const afterRollback = await count();
    await step('beginTransaction');
    await insert();
    await step('commit');
    return { after_rollback: afterRollback, after_commit: await count() };
  }),

  blob: withConnection(async (d, c) => {
    await d.prepared(c, 'INSERT INTO blobs (client, bin) VALUES (?, ?)', [tag, fs.readFileSync(env.ELX_BLOB)]);
    const r = await d.query(c, 'SELECT bin FROM blobs WHERE client = ?', [tag]);
    return { sha256: crypto.createHash('sha256').update(r[0][0]).digest('hex') };
  }),

  packets: withConnection(async (d, c) => {
    const sent = [];
    const received = [];
    for (const total of TOTALS.filter((t) => t !== BUGGY[d.name]?.sent)) {
      const n = total - 1 - "SELECT LENGTH('')".length;
      sent.push(Number(await one(d, c, `SELECT LENGTH('${'a'.repeat(n)}')`)) - n);
    }
    for (const total of TOTALS.filter((t) => t !== BUGGY[d.name]?.received)) {
      const n = total - (total - 4 <= 0xffffff ? 4 : 9);
      const r = await one(d, c, `SELECT REPEAT('b', ${n})`);
      received.push(/^b+$/.test(r) ? r.length - n : -1);
    }
    return { sent, received };
  }),

  rows: withConnection(async (d, c) => {
    let [count, sum, last] = [0, 0, ''];
    await d.rows(c, "SELECT seq, CONCAT('row ', seq) FROM seq_1_to_100000", (r) => {
      count += 1;
      sum += Number(r[0]);
      last = text(r[1]);
    });
    return { count, sum, last };
  }),

  sleep: run(`SELECT SLEEP(60) /* wait ${tag} */`),
  cancelled: run(`SELECT SLEEP(60) /* cancel ${tag} */`),

  kill_idle: withConnection(async (d, c) => {
    const other = await d.connect({});
    await d.query(other, `KILL ${d.threadId(c)}`);
    d.end(other);
    return { results: [toRows(await d.query(c, 'SELECT 1'))] };
  }),

  umlauts: withConnection(async (d, c) => {
    await d.query(c, 'INSERT INTO things (client, txt) VALUES (?, ?)', [`${tag}-utf`, 'Grüezi Zürich ÄÖÜß éà € 😀']);
    return {
      text: await one(d, c, 'SELECT txt FROM things WHERE client = ?', [`${tag}-utf`]),
      hex: await one(d, c, 'SELECT HEX(txt) FROM things WHERE client = ?', [`${tag}-utf`]),
    };
  }),

  local_infile: withConnection(async (d, c) => {
    await d.query(c, `LOAD DATA LOCAL INFILE '${env.ELX_INFILE}' INTO TABLE loaded (n, word) SET client = '${tag}'`);
    return { results: [toRows(await d.query(c, 'SELECT COUNT(*), SUM(n), MAX(LENGTH(word)) FROM loaded WHERE client = ?', [tag]))] };
  }, { infile: true }),

  reset: async (d) => {
    const c = await d.connect({});
    try {
      if (!c.reset) return { unsupported: true };
      await d.query(c, 'SET @kept = 42');
      const before = await one(d, c, 'SELECT @kept');
      await d.reset(c);
      return { before, after: await one(d, c, 'SELECT @kept') };
    } finally { d.end(c); }
  },

  attributes: async (d) => (d.connectAttributes ? run('SELECT ATTR_NAME, ATTR_VALUE FROM performance_schema.session_connect_attrs '
    + 'WHERE PROCESSLIST_ID = CONNECTION_ID()')(d) : { unsupported: true }),

  // mariadb: COM_STMT_BULK_EXECUTE; the others: many prepared executions without waiting for answers.
  bulk: withConnection(async (d, c) => {
    const values = Array.from({ length: 1000 }, (_, i) => [`${tag}-bulk`, i + 1]);
    const sql = 'INSERT INTO things (client, num) VALUES (?, ?)';
    if (d.name === 'mariadb') await c.batch(sql, values);
    else await Promise.all(values.map((v) => d.prepared(c, sql, v)));
    return { results: [toRows(await d.query(c, 'SELECT COUNT(*), SUM(num) FROM things WHERE client = ?', [`${tag}-bulk`]))] };
  }),

  // mariadb sends the next command before the answer to the last one has come.
  pipeline: async (d) => {
    if (d.name !== 'mariadb') return { unsupported: true };
    const c = await d.connect({ pipelining: true });
    try {
      const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => (i % 3 === 2
        ? d.prepared(c, 'SELECT ? + 1', [i]) : d.query(c, i % 3 ? 'SELECT FROM' : `SELECT ${i} + 1`)).then((r) => Number(r[0][0]), (e) => e.errno)));
      return { right: answers.every((a, i) => a === (i % 3 === 1 ? 1064 : i + 1)), count: answers.length };
    } finally { d.end(c); }
  },

  compress: async (d) => {
    if (d.name === 'mysql') return { unsupported: true };
    return withConnection(async (_, c) => ({
      compression: text((await d.query(c, "SHOW SESSION STATUS LIKE 'Compression'"))[0][1]),
      length: await one(d, c, 'SELECT LENGTH(GROUP_CONCAT(seq)) FROM seq_1_to_1000'),
    }), { compress: true })(d);
  },

  sql_error: withConnection(async (d, c) => ({
    refused: await checked(d.query(c, 'SELECT FROM WHERE')),
    after: await one(d, c, 'SELECT 1'),
  })),
};

function find(name) {
  const [kind, user, password] = name.split(':');
  if (kind === 'login') return login({ user, password });
  if (kind === 'change_user') {
    return withConnection(async (d, c) => {
      await d.changeUser(c, user, password);
      return {
        user: await one(d, c, 'SELECT CURRENT_USER()'),
        database: await one(d, c, 'SELECT DATABASE()'),
        refused: await checked(d.changeUser(c, user, 'not the password')),
      };
    });
  }
  return scenarios[name];
}

async function main() {
  const [name, ...wanted] = process.argv.slice(2);
  const driver = require(name);
  const d = name === 'mariadb' ? new MariaDB(driver) : new Callback(driver, name);
  for (const scenario of wanted) {
    const fn = find(scenario);
    let result;
    try {
      result = fn ? await fn(d) : { unsupported: true };
    } catch (e) {
      result = { error: failure(e) };
    }
    process.stdout.write(`${JSON.stringify({ scenario, ...result })}\n`);
  }
}

main().then(() => process.exit(0), (e) => { console.error(e); process.exit(1); });
