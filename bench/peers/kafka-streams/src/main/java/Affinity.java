import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The common work (../README.md) with Kafka Streams: one processor over a store of bytes with record cache and changelog.
 *
 * <p>Keys and states stay bytes, and an event changes two or three numbers in them: with a Serde of a state class, every
 * get and put would decode and encode the whole state, cache or not.
 */
public final class Affinity {
  private static final String STORE = "affinity";
  private static final int COHORTS = 12;
  private static final int NUMBERS = Long.BYTES + COHORTS * Double.BYTES;
  private static final int PRODUCTS_KEPT = 5;
  private static final AtomicBoolean IS_FIRST = new AtomicBoolean(true);

  /** One cohort of a product. */
  private record Membership(int cohort, double weight) {}

  /** The table that every system reads. */
  private record Table(
      long landmark, double halfLife, Map<String, Double> kindWeights, Map<String, Membership[]> products) {

    static Table read(Path file) throws IOException {
      Map<String, Object> json = new ObjectMapper().readValue(file.toFile(), new TypeReference<>() {});
      Map<String, Double> kindWeights = new HashMap<>();
      ((Map<?, ?>) json.get("kind_weights")).forEach((kind, weight) -> kindWeights.put((String) kind, number(weight)));
      Map<String, Membership[]> products = new HashMap<>();
      ((Map<?, ?>) json.get("products")).forEach((id, pairs) -> products.put((String) id, memberships((List<?>) pairs)));
      long landmark = ((Number) json.get("landmark_ms")).longValue();
      return new Table(landmark, number(json.get("half_life_ms")), kindWeights, products);
    }

    private static Membership[] memberships(List<?> pairs) {
      return pairs.stream()
          .map(pair -> (List<?>) pair)
          .map(pair -> new Membership(((Number) pair.get(0)).intValue(), number(pair.get(1))))
          .toArray(Membership[]::new);
    }

    private static double number(Object value) {
      return ((Number) value).doubleValue();
    }
  }

  /** Folds each event into its user's state. */
  private static final class Update implements Processor<Bytes, byte[], Void, Void> {
    private final Table table;
    private final JsonFactory json = new JsonFactory();
    private ProcessorContext<Void, Void> context;
    private KeyValueStore<Bytes, byte[]> store;

    private Update(Table table) {
      this.table = table;
    }

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      this.context = context;
      this.store = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<Bytes, byte[]> record) {
      if (IS_FIRST.get() && IS_FIRST.compareAndSet(true, false)) {
        System.out.println("first-record " + System.currentTimeMillis());
      }
      String product = null;
      String kind = null;
      long time = 0;
      try (JsonParser event = json.createParser(record.value())) {
        event.nextToken();
        while (event.nextToken() == JsonToken.FIELD_NAME) {
          String field = event.currentName();
          event.nextToken();
          switch (field) {
            case "product_id" -> product = event.getText();
            case "kind" -> kind = event.getText();
            case "time" -> time = event.getLongValue();
            default -> event.skipChildren();
          }
        }
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      ByteBuffer state = withProduct(store.get(record.key()), product);
      state.putLong(0, context.recordMetadata().orElseThrow().offset());
      double decayed = table.kindWeights.get(kind) * Math.pow(2.0, (time - table.landmark) / table.halfLife);
      for (Membership each : table.products.get(product)) {
        int at = Long.BYTES + each.cohort * Double.BYTES;
        state.putDouble(at, state.getDouble(at) + each.weight * decayed);
      }
      store.put(record.key(), state.array());
    }

    /** Returns a copy of the state with one more product, the oldest left out where there are too many. */
    private static ByteBuffer withProduct(byte[] state, String product) {
      byte[] added = product.getBytes(StandardCharsets.UTF_8);
      if (state == null) {
        ByteBuffer fresh = ByteBuffer.allocate(NUMBERS + added.length).order(ByteOrder.LITTLE_ENDIAN);
        return fresh.put(NUMBERS, added);
      }
      int products = 1;
      int second = NUMBERS; // where the second product begins
      for (int at = state.length - 1; at >= NUMBERS; at--) {
        if (state[at] == '\n') {
          products++;
          second = at + 1;
        }
      }
      int from = products < PRODUCTS_KEPT ? NUMBERS : second;
      int kept = state.length - from;
      ByteBuffer next = ByteBuffer.allocate(NUMBERS + kept + 1 + added.length).order(ByteOrder.LITTLE_ENDIAN);
      next.put(0, state, 0, NUMBERS).put(NUMBERS, state, from, kept);
      return next.put(NUMBERS + kept, (byte) '\n').put(NUMBERS + kept + 1, added);
    }
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, String> environment = System.getenv();
    Table table = Table.read(Path.of(environment.get("BENCH_TABLE")));
    long cacheBytes = Long.parseLong(environment.get("BENCH_CACHE_MB")) << 20;
    KeyValueBytesStoreSupplier supplier =
        environment.get("BENCH_STORE").equals("rocksdb")
            ? Stores.persistentKeyValueStore(STORE)
            : Stores.inMemoryKeyValueStore(STORE);
    StoreBuilder<KeyValueStore<Bytes, byte[]>> store =
        Stores.keyValueStoreBuilder(supplier, Serdes.Bytes(), Serdes.ByteArray()).withLoggingEnabled(Map.of());
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(cacheBytes > 0 ? store.withCachingEnabled() : store.withCachingDisabled());
    builder
        .stream(environment.get("BENCH_TOPIC"), Consumed.with(Serdes.Bytes(), Serdes.ByteArray()))
        .process(() -> new Update(table), STORE);

    KafkaStreams streams = new KafkaStreams(builder.build(), properties(environment, cacheBytes));
    CountDownLatch stopped = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      streams.close();
      stopped.countDown();
    }));
    streams.start();
    stopped.await();
  }

  private static Properties properties(Map<String, String> environment, long cacheBytes) {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, environment.get("BENCH_APP"));
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, environment.get("BENCH_BOOTSTRAP"));
    properties.put(StreamsConfig.STATE_DIR_CONFIG, environment.get("BENCH_FOLDER"));
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, environment.get("BENCH_THREADS"));
    properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, cacheBytes);
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
    properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000);
    properties.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.ACKS_CONFIG), "all");
    // A commit writes in bursts: large requests, and room for a whole burst.
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 128L << 20);
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
    return properties;
  }
}
