// A login with TLS and nothing to verify it with but the password: ELX_HOST ELX_PORT ELX_USER ELX_PASSWORD.
// Prints {"user":...} or {"error":"..."}.
'use strict';

const mariadb = require('mariadb');

async function main() {
  const env = process.env;
  const connection = await mariadb.createConnection({
    host: env.ELX_HOST, port: Number(env.ELX_PORT), user: env.ELX_USER, password: env.ELX_PASSWORD, ssl: true,
    connectTimeout: 15000,
  });
  const rows = await connection.query('SELECT CURRENT_USER() AS user');
  await connection.end();
  return {user: rows[0].user};
}

main().catch((error) => ({error: String(error.sqlMessage || error.message)}))
  .then((result) => console.log(JSON.stringify(result)));
