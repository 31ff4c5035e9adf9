import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/**
 * The MariaDB Connector/J client of the matrix: java Client SCENARIO... The contract of scenarios and environment stands in
 * ../README.md.
 */
public final class Client {
    private static final String TAG = env("ELX_TAG");

    private interface Work {
        Map<String, Object> run(Connection c) throws Exception;
    }

    private static String env(String name) {
        String value = System.getenv(name);
        return value == null ? "" : value;
    }

    /** The options that a scenario needs beyond TLS with the CA verified; later pairs win. */
    private static Connection connect(String... options) throws SQLException {
        Properties p = new Properties();
        p.setProperty("user", env("ELX_USER"));
        p.setProperty("password", env("ELX_PASSWORD"));
        p.setProperty("database", env("ELX_DATABASE"));
        p.setProperty("allowMultiQueries", "true");
        p.setProperty("allowLocalInfile", "true");
        p.setProperty("connectTimeout", "20000");
        p.setProperty("connectionAttributes", "program_name:elx-client-java,practice:Praxis Zürich");
        if (!env("ELX_TLS").equals("off")) {
            p.setProperty("useSsl", "true");
            p.setProperty("serverSslCert", env("ELX_CA"));
        }
        for (int i = 0; i < options.length; i += 2) {
            p.setProperty(options[i], options[i + 1]);
        }
        String database = (String) p.remove("database");
        return DriverManager.getConnection("jdbc:mariadb://" + env("ELX_HOST") + ":" + env("ELX_PORT") + "/" + database, p);
    }

    private static Map<String, Object> map(Object... pairs) {
        Map<String, Object> m = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            m.put((String) pairs[i], pairs[i + 1]);
        }
        return m;
    }

    private static List<Object> rows(ResultSet r) throws SQLException {
        List<Object> all = new ArrayList<>();
        while (r.next()) {
            List<Object> row = new ArrayList<>();
            for (int i = 1; i <= r.getMetaData().getColumnCount(); i++) {
                row.add(r.getString(i));
            }
            all.add(row);
        }
        return all;
    }

    private static Map<String, Object> results(Connection c, String sql) throws SQLException {
        List<Object> all = new ArrayList<>();
        try (Statement s = c.createStatement()) {
            boolean has = s.execute(sql);
            while (has || s.getUpdateCount() != -1) {
                if (has) {
                    all.add(rows(s.getResultSet()));
                }
                has = s.getMoreResults();
            }
        }
        return map("results", all);
    }

    private static String one(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
            return r.next() ? r.getString(1) : null;
        }
    }

    private static Map<String, Object> login(String... options) throws SQLException {
        try (Connection c = connect(options)) {
            return map("cipher", null, "user", one(c, "SELECT CURRENT_USER()"));
        }
    }

    /** Prepares on the server; with pipelining the driver sends PREPARE and EXECUTE together. */
    private static Map<String, Object> prepared(Connection c) throws SQLException {
        try (PreparedStatement s = c.prepareStatement("INSERT INTO things (client, num, txt, val) VALUES (?, ?, ?, ?)")) {
            for (int i = 1; i <= 3; i++) {
                s.setString(1, TAG);
                s.setLong(2, i * 1000000007L);
                if (i == 3) {
                    s.setNull(3, Types.VARCHAR);
                } else {
                    s.setString(3, "Text " + i + " ü");
                }
                s.setDouble(4, i + 0.5);
                s.executeUpdate();
            }
        }
        try (PreparedStatement s = c.prepareStatement(
                "SELECT num, txt, val FROM things WHERE client = ? AND num >= ? ORDER BY num")) {
            s.setString(1, TAG);
            s.setLong(2, 2000000014L);
            return map("rows", rows(s.executeQuery()));
        }
    }

    private static Map<String, Object> transaction(Connection c) throws SQLException {
        String count = "SELECT COUNT(*) FROM things WHERE client = '" + TAG + "-tx'";
        String insert = "INSERT INTO things (client, num) VALUES ('" + TAG + "-tx', 1)";
        c.setAutoCommit(false);
        results(c, insert);
        c.rollback();
        String after = one(c, count);
        results(c, insert);
        c.commit();
        c.setAutoCommit(true);
        return map("after_rollback", after, "after_commit", one(c, count));
    }

    private static Map<String, Object> blob(Connection c) throws Exception {
        byte[] data = Files.readAllBytes(Path.of(env("ELX_BLOB")));
        try (PreparedStatement s = c.prepareStatement("INSERT INTO blobs (client, bin) VALUES (?, ?)")) {
            s.setString(1, TAG);
            s.setBinaryStream(2, new ByteArrayInputStream(data), data.length);
            s.executeUpdate();
        }
        try (Statement s = c.createStatement();
                ResultSet r = s.executeQuery("SELECT bin FROM blobs WHERE client = '" + TAG + "'")) {
            r.next();
            StringBuilder hex = new StringBuilder();
            for (byte b : MessageDigest.getInstance("SHA-256").digest(r.getBytes(1))) {
                hex.append(String.format("%02x", b));
            }
            return map("sha256", hex.toString());
        }
    }

    private static Map<String, Object> packets(Connection c) throws SQLException {
        int[] totals = {0xfffffe, 0xffffff, 0x1000000, 2 * 0xffffff};
        List<Object> sent = new ArrayList<>();
        List<Object> received = new ArrayList<>();
        for (int total : totals) {
            int n = total - 1 - "SELECT LENGTH('')".length();
            sent.add(Integer.parseInt(one(c, "SELECT LENGTH('" + "a".repeat(n) + "')")) - n);
        }
        for (int total : totals) {
            int n = total - (total - 4 <= 0xffffff ? 4 : 9);
            String value = one(c, "SELECT REPEAT('b', " + n + ")");
            received.add(value.chars().allMatch(x -> x == 'b') ? value.length() - n : -1);
        }
        return map("sent", sent, "received", received);
    }

    /** Rows as they come (fetch size 100: Connector/J 2 streams), so that the driver never holds all. */
    private static Map<String, Object> stream(Connection c, String sql) throws SQLException {
        long count = 0;
        long sum = 0;
        String last = null;
        try (Statement s = c.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY)) {
            s.setFetchSize(100);
            try (ResultSet r = s.executeQuery(sql)) {
                while (r.next()) {
                    count++;
                    sum += r.getLong(1);
                    last = r.getString(r.getMetaData().getColumnCount());
                }
            }
        }
        return map("count", count, "sum", sum, "last", last);
    }

    private static Map<String, Object> killIdle(Connection c) throws SQLException {
        String id = one(c, "SELECT CONNECTION_ID()");
        try (Connection other = connect()) {
            results(other, "KILL " + id);
        }
        return results(c, "SELECT 1");
    }

    private static Map<String, Object> umlauts(Connection c) throws SQLException {
        try (PreparedStatement s = c.prepareStatement("INSERT INTO things (client, txt) VALUES (?, ?)")) {
            s.setString(1, TAG + "-utf");
            s.setString(2, "Grüezi Zürich ÄÖÜß éà € 😀");
            s.executeUpdate();
        }
        return map("text", one(c, "SELECT txt FROM things WHERE client = '" + TAG + "-utf'"),
                "hex", one(c, "SELECT HEX(txt) FROM things WHERE client = '" + TAG + "-utf'"));
    }

    private static Map<String, Object> infile(Connection c) throws SQLException {
        results(c, "LOAD DATA LOCAL INFILE '" + env("ELX_INFILE") + "' INTO TABLE loaded (n, word) SET client = '" + TAG + "'");
        return results(c, "SELECT COUNT(*), SUM(n), MAX(LENGTH(word)) FROM loaded WHERE client = '" + TAG + "'");
    }

    private static Map<String, Object> batch(Connection c, String tag) throws SQLException {
        try (PreparedStatement s = c.prepareStatement("INSERT INTO things (client, num) VALUES (?, ?)")) {
            for (int i = 1; i <= 1000; i++) {
                s.setString(1, tag);
                s.setLong(2, i);
                s.addBatch();
            }
            s.executeBatch();
        }
        return results(c, "SELECT COUNT(*), SUM(num) FROM things WHERE client = '" + tag + "'");
    }

    private static Map<String, Object> reset(Connection c) throws Exception {
        results(c, "SET @kept = 42");
        String before = one(c, "SELECT @kept");
        c.unwrap(org.mariadb.jdbc.MariaDbConnection.class).reset();
        return map("before", before, "after", one(c, "SELECT @kept"));
    }

    private static Map<String, Object> server(Connection c) throws SQLException {
        return map("announced", c.getMetaData().getDatabaseProductVersion(), "version", one(c, "SELECT VERSION()"),
                "same_thread", true, "ping", c.isValid(10));
    }

    private static Map<String, Object> compress(Connection c) throws SQLException {
        List<?> found = (List<?>) ((List<?>) results(c, "SHOW SESSION STATUS LIKE 'Compression'").get("results")).get(0);
        return map("compression", ((List<?>) found.get(0)).get(1),
                "length", one(c, "SELECT LENGTH(GROUP_CONCAT(seq)) FROM seq_1_to_1000"));
    }

    private static Map<String, Object> sessionVars(Connection c) throws SQLException {
        results(c, "SET SESSION wait_timeout = 4242, SESSION sql_mode = 'ANSI_QUOTES'");
        return results(c, "SELECT @@wait_timeout, @@sql_mode");
    }

    private static Map<String, Object> sqlError(Connection c) throws SQLException {
        Map<String, Object> refused = null;
        try {
            results(c, "SELECT FROM WHERE");
        } catch (SQLException e) {
            refused = error(e);
        }
        return map("refused", refused, "after", one(c, "SELECT 1"));
    }

    private static Map<String, Object> error(SQLException e) {
        StringBuilder text = new StringBuilder();
        for (Throwable t = e; t != null; t = t.getCause()) {
            text.append(text.length() > 0 ? " / " : "").append(t.getMessage());
        }
        return map("code", e.getErrorCode() > 0 ? e.getErrorCode() : null, "state", e.getSQLState(), "message", text.toString());
    }

    private static Map<String, Object> with(Work work, String... options) throws Exception {
        try (Connection c = connect(options)) {
            return work.run(c);
        }
    }

    private static Map<String, Object> scenario(String name) throws Exception {
        String[] part = name.split(":", -1);
        switch (part[0]) {
        case "tls": return login();
        case "wrong_ca": return login("serverSslCert", env("ELX_WRONG_CA"));
        case "plaintext": return login("useSsl", "false");
        case "wrong_password": return login("password", "not the password");
        case "unknown_database": return login("database", "elx_nowhere");
        case "login": return login("user", part[1], "password", part[2]);
        case "query": return with(c -> results(c, "SELECT 1, 'abc', NULL"));
        case "multi": return with(c -> results(c, "SELECT 1; SELECT 2, 'zwei'; SELECT 3"));
        case "call": return with(c -> results(c, "CALL two_results()"));
        case "sleep": return with(c -> results(c, "SELECT SLEEP(60) /* wait " + TAG + " */"));
        case "cancelled": return with(c -> results(c, "SELECT SLEEP(60) /* cancel " + TAG + " */"));
        case "server": return with(Client::server);
        case "prepared": return with(Client::prepared, "useServerPrepStmts", "true");
        case "transaction": return with(Client::transaction);
        case "blob": return with(Client::blob, "useServerPrepStmts", "true");
        case "packets": return with(Client::packets);
        case "rows": return with(c -> stream(c, "SELECT seq, CONCAT('row ', seq) FROM seq_1_to_100000"));
        case "cursor": return with(c -> stream(c, "SELECT seq FROM seq_1_to_2500"), "useServerPrepStmts", "true");
        case "kill_idle": return with(Client::killIdle);
        case "umlauts": return with(Client::umlauts);
        case "local_infile": return with(Client::infile);
        case "session_vars": return with(Client::sessionVars);
        case "attributes": return with(c -> results(c, "SELECT ATTR_NAME, ATTR_VALUE FROM "
                + "performance_schema.session_connect_attrs WHERE PROCESSLIST_ID = CONNECTION_ID()"));
        case "bulk": return with(c -> batch(c, TAG + "-bulk"), "useBulkStmts", "true", "useServerPrepStmts", "true");
        case "rewrite": return with(c -> batch(c, TAG + "-rewrite"), "rewriteBatchedStatements", "true", "useBulkStmts", "false");
        case "pipeline": return with(c -> batch(c, TAG + "-pipeline"), "useBatchMultiSend", "true", "useBulkStmts", "false",
                "usePipelineAuth", "true");
        case "pipeline_prepared": return with(c -> batch(c, TAG + "-pprep"), "useBatchMultiSend", "true", "useBulkStmts", "false",
                "useServerPrepStmts", "true");
        case "reset": return with(Client::reset, "useResetConnection", "true");
        case "compress": return with(Client::compress, "useCompression", "true");
        case "sql_error": return with(Client::sqlError);
        default: return Collections.singletonMap("unsupported", true);
        }
    }

    private static void json(StringBuilder out, Object v) {
        if (v == null || v instanceof Number || v instanceof Boolean) {
            out.append(v);
        } else if (v instanceof Map) {
            String comma = "{";
            for (Map.Entry<?, ?> e : ((Map<?, ?>) v).entrySet()) {
                out.append(comma);
                json(out, e.getKey());
                out.append(':');
                json(out, e.getValue());
                comma = ",";
            }
            out.append('}');
        } else if (v instanceof List) {
            out.append('[');
            String comma = "";
            for (Object x : (List<?>) v) {
                out.append(comma);
                json(out, x);
                comma = ",";
            }
            out.append(']');
        } else {
            out.append('"');
            for (char x : v.toString().toCharArray()) {
                if (x == '"' || x == '\\') {
                    out.append('\\').append(x);
                } else if (x < 0x20) {
                    out.append(String.format("\\u%04x", (int) x));
                } else {
                    out.append(x);
                }
            }
            out.append('"');
        }
    }

    public static void main(String[] scenarios) throws Exception {
        for (String name : scenarios) {
            Map<String, Object> line = map("scenario", name);
            try {
                line.putAll(scenario(name));
            } catch (SQLException e) {
                line.put("error", error(e));
            }
            StringBuilder out = new StringBuilder();
            json(out, line);
            System.out.write((out + "\n").getBytes(StandardCharsets.UTF_8));
            System.out.flush();
        }
    }
}
