package net.example;

import com.google.gson.Gson;
import com.google.gson.JsonSyntaxException;
import com.sun.net.httpserver.HttpServer;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.Map;

/** Adds up the weights of what is loaded. */
public final class Cargo {
    record Crate(String name, double kilograms) {}

    public static void main(String[] arguments) throws Exception {
        Gson gson = new Gson();
        HttpServer server = HttpServer.create(new InetSocketAddress(8080), 0);
        server.createContext("/weight", exchange -> {
            int status = 200;
            Object answer;
            try (var body = new InputStreamReader(exchange.getRequestBody(), StandardCharsets.UTF_8)) {
                double sum = 0;
                for (Crate crate : gson.fromJson(body, Crate[].class)) sum += crate.kilograms();
                answer = Map.of("kilograms", sum);
            } catch (JsonSyntaxException | NullPointerException error) {
                status = 400;
                answer = Map.of("error", "a list of crates, please");
            }
            byte[] bytes = gson.toJson(answer).getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, bytes.length);
            try (var out = exchange.getResponseBody()) { out.write(bytes); }
        });
        server.createContext("/noon", exchange -> {
            String zone = exchange.getRequestURI().getQuery();
            byte[] bytes;
            int status = 200;
            try {
                bytes = ZonedDateTime.of(2024, 7, 15, 12, 0, 0, 0, ZoneId.of(zone)).toString().getBytes(StandardCharsets.UTF_8);
            } catch (RuntimeException error) {
                bytes = "no such zone".getBytes(StandardCharsets.UTF_8);
                status = 404;
            }
            exchange.sendResponseHeaders(status, bytes.length);
            try (var out = exchange.getResponseBody()) { out.write(bytes); }
        });
        server.start();
    }
}
