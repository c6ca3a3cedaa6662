/*
 * FlinkJob.java - the antennas job in Flink SQL, without raw rows: final windows only, upserted.
 *
 *   java -cp 'lib/*' FlinkJob.java BROKERS TOPIC JDBC_URL CHECKPOINTS
 *
 * An embedded cluster of two slots reads the topic to the end that it has now.  What makes it fast: object reuse,
 * mini batches, two-phase windows, heap state, big batches of rewritten INSERTs.
 */
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

public class FlinkJob {
    public static void main(String[] args) throws Exception {
        Configuration c = new Configuration();
        c.setString("parallelism.default", "2");
        c.setString("pipeline.object-reuse", "true");
        c.setString("taskmanager.numberOfTaskSlots", "2");
        c.setString("taskmanager.memory.network.min", "128mb");
        c.setString("taskmanager.memory.network.max", "128mb");
        c.setString("taskmanager.memory.managed.size", "512mb");
        c.setString("execution.checkpointing.interval", "10s");
        c.setString("execution.checkpointing.dir", "file://" + args[3]); // in memory it takes no more than 5 MiB
        c.setString("restart-strategy.type", "none"); // a failure is an answer: not tried for ever
        c.setString("table.local-time-zone", "UTC");
        c.setString("table.optimizer.agg-phase-strategy", "TWO_PHASE");
        TableEnvironment t = TableEnvironment.create(
            EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(c).build());
        t.executeSql("CREATE TABLE devices (`bytes` BIGINT, `timestamp` BIGINT, timestmap BIGINT, app STRING, id STRING,"
            + " antenna_id STRING, ts AS TO_TIMESTAMP_LTZ(COALESCE(`timestamp`, timestmap), 0),"
            + " WATERMARK FOR ts AS ts - INTERVAL '15' SECOND) WITH ('connector' = 'kafka', 'topic' = '" + args[1] + "',"
            + " 'properties.bootstrap.servers' = '" + args[0] + "', 'properties.group.id' = 'flink',"
            + " 'properties.check.crcs' = 'false', 'properties.max.partition.fetch.bytes' = '8388608',"
            + " 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json',"
            + " 'json.ignore-parse-errors' = 'true')");
        t.executeSql("CREATE TABLE `bytes` (`timestamp` TIMESTAMP(3), id STRING, `value` BIGINT, type STRING,"
            + " PRIMARY KEY (`timestamp`, type, id) NOT ENFORCED) WITH ('connector' = 'jdbc', 'table-name' = 'bytes',"
            + " 'url' = '" + args[2] + "', 'sink.buffer-flush.max-rows' = '20000', 'sink.buffer-flush.interval' = '2s')");
        String sums = "";
        for (String[] by : new String[][] {{"antenna_id", "antenna_bytes_total"}, {"id", "id_bytes_total"},
                                           {"app", "app_bytes_total"}}) {
            sums += (sums.isEmpty() ? "" : " UNION ALL ") + "SELECT CAST(window_start AS TIMESTAMP(3)), " + by[0]
                + ", SUM(`bytes`), '" + by[1] + "' FROM TABLE(TUMBLE(TABLE devices, DESCRIPTOR(ts), INTERVAL '1' MINUTE))"
                + " WHERE `bytes` >= 0 AND id IS NOT NULL AND antenna_id IS NOT NULL AND app IS NOT NULL"
                + " GROUP BY window_start, window_end, " + by[0];
        }
        t.executeSql("INSERT INTO `bytes` " + sums).await();
    }
}
