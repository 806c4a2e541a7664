package net.example.library;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.concurrent.Executors;

/** A library's catalogue by HTTP. */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) throws IOException {
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));
        Path data = Path.of(System.getenv().getOrDefault("LIBRARY_DATA", "/app/data/books.json"));
        Catalogue catalogue = Catalogue.read(data);
        HttpServer server = HttpServer.create();
        Api api = new Api(catalogue);
        server.createContext("/api/books", api::books);
        server.createContext("/api/loans", api::loans);
        server.createContext("/health", api::health);
        server.createContext("/", new Pages(catalogue)::answer);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        Runtime.getRuntime().addShutdownHook(new Thread(() -> server.stop(0)));
        System.out.println("the library opens on port " + port + " with " + catalogue.size() + " books");
        server.bind(new InetSocketAddress(port), 0);
        server.start();
    }
}
