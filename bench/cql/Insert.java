// The rows of insert.py by the Java driver, asynchronously: java Insert.java HOST:PORT ROWS IN_FLIGHT BATCH
// One line: client rows seconds rows/s.  BATCH rows of a partition go in one unlogged batch; 1: each row alone.
import com.datastax.oss.driver.api.core.CqlIdentifier;
import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.cql.*;
import java.net.InetSocketAddress;
import java.time.Instant;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;

public class Insert {
    public static void main(String[] args) throws Exception {
        String[] at = args[0].split(":");
        int rows = Integer.parseInt(args[1]), inFlight = Integer.parseInt(args[2]), batch = Integer.parseInt(args[3]);
        AtomicInteger failed = new AtomicInteger();
        Semaphore room = new Semaphore(inFlight);
        try (CqlSession session = CqlSession.builder().addContactPoint(new InetSocketAddress(at[0], Integer.parseInt(at[1])))
                .withLocalDatacenter("datacenter1").withKeyspace(CqlIdentifier.fromCql("cql_bench")).build()) {
            PreparedStatement insert = session.prepare("INSERT INTO t (k, c, d, at, v) VALUES (?, ?, ?, ?, ?)");
            String text = "forty bytes of text that say not a thing";
            long from = System.nanoTime();
            BatchStatementBuilder together = null;
            for (int i = 0; i < rows; i++) {
                BoundStatement row = insert.bind("key-" + i / 10, i % 10, i * 0.5, Instant.ofEpochMilli(1700000000000L + i), text);
                Statement<?> statement = row;
                if (batch > 1) {
                    if (together == null)
                        together = BatchStatement.builder(DefaultBatchType.UNLOGGED);
                    together.addStatement(row);
                    if ((i + 1) % batch != 0 && i + 1 < rows)
                        continue;
                    statement = together.build();
                    together = null;
                }
                room.acquire();
                session.executeAsync(statement).whenComplete((answer, error) -> {
                    if (error != null)
                        failed.incrementAndGet();
                    room.release();
                });
            }
            room.acquire(inFlight);
            double seconds = (System.nanoTime() - from) / 1e9;
            System.out.printf("java %d %.2f %.0f%n", rows, seconds, rows / seconds);
        }
        System.exit(failed.get() == 0 ? 0 : 1);
    }
}
