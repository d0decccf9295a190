import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/** What Java asks of the kernel: threads, children, files, sockets, memory, and the compiler that runs this file. */
public class Main {
    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static void threads() throws Exception {
        var pool = Executors.newFixedThreadPool(8);
        List<Callable<Long>> tasks = new ArrayList<>();
        for (int i = 0; i < 32; i++) tasks.add(() -> IntStream.range(0, 100_000).asLongStream().sum());
        for (Future<Long> sum : pool.invokeAll(tasks)) check(sum.get() == 4999950000L, "sum");
        pool.shutdown();
        check(pool.awaitTermination(10, TimeUnit.SECONDS), "pool");
        check(IntStream.range(0, 1000).parallel().sum() == 499500, "parallel");
    }

    static void children() throws Exception {
        var echo = new ProcessBuilder("sh", "-c", "read x; echo got $x").start();
        echo.getOutputStream().write("this\n".getBytes());
        echo.getOutputStream().close();
        check(new String(echo.getInputStream().readAllBytes()).equals("got this\n"), "echo");
        var sleep = new ProcessBuilder("sleep", "60").start();
        sleep.destroyForcibly();
        check(sleep.waitFor() == 137, "sleep");
    }

    static void files() throws Exception {
        var folder = Files.createTempDirectory("java");
        var file = Files.writeString(folder.resolve("a"), "text".repeat(1000));
        try (var channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            var map = channel.map(FileChannel.MapMode.READ_WRITE, 0, channel.size());
            map.put(0, (byte) 'T');
            map.force();
            try (var lock = channel.lock()) {
                check(lock.isValid(), "lock");
            }
        }
        Files.move(file, folder.resolve("b"));
        try (var watch = folder.getFileSystem().newWatchService()) {
            folder.register(watch, java.nio.file.StandardWatchEventKinds.ENTRY_DELETE);
            Files.delete(folder.resolve("b"));
            check(watch.poll(10, TimeUnit.SECONDS) != null, "watch");
        }
        Files.delete(folder);
    }

    static void sockets() throws Exception {
        var server = HttpServer.create(new InetSocketAddress(InetAddress.getByName("localhost"), 0), 0);
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(200, 0);
            try (var body = exchange.getResponseBody()) {
                exchange.getRequestBody().transferTo(body);
            }
        });
        server.start();
        var uri = URI.create("http://localhost:" + server.getAddress().getPort() + "/");
        var client = HttpClient.newHttpClient();
        for (int i = 0; i < 20; i++) {
            var request = HttpRequest.newBuilder(uri).POST(HttpRequest.BodyPublishers.ofString("request " + i)).build();
            check(client.send(request, HttpResponse.BodyHandlers.ofString()).body().equals("request " + i), "answer");
        }
        server.stop(0);
        check(NetworkInterface.getByName("lo").isLoopback(), "interface");
    }

    static void memory() {
        long kept = 0;
        for (int i = 0; i < 2000; i++) kept += new byte[100_000].length;
        System.gc();
        check(kept == 200_000_000L, "garbage");
    }

    static void timers() throws Exception {
        var timer = Executors.newScheduledThreadPool(1);
        check(timer.schedule(() -> 5, 20, TimeUnit.MILLISECONDS).get() == 5, "timer");
        timer.shutdown();
        check(ProcessHandle.current().isAlive(), "process");
    }

    interface Check {
        void run() throws Exception;
    }

    static void run(String name, Check check) throws Exception {
        check.run();
        System.out.println("ok " + name);
    }

    public static void main(String[] arguments) throws Exception {
        run("threads", Main::threads);
        run("children", Main::children);
        run("files", Main::files);
        run("sockets", Main::sockets);
        run("memory", Main::memory);
        run("timers", Main::timers);
    }
}
