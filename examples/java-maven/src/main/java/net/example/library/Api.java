package net.example.library;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonParseException;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.LocalDate;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** What programs ask for, as JSON. */
final class Api {
    private final Catalogue catalogue;
    private final Gson gson = new GsonBuilder().disableHtmlEscaping().create();

    Api(Catalogue catalogue) {
        this.catalogue = catalogue;
    }

    private record Loan(String isbn, String from, int days) {}

    private record Lent(String isbn, boolean lent) {}

    private record Health(String status, int books) {}

    void health(HttpExchange exchange) throws IOException {
        send(exchange, 200, new Health("UP", catalogue.size()));
    }

    void books(HttpExchange exchange) throws IOException {
        if (!exchange.getRequestMethod().equals("GET")) {
            send(exchange, 405, Map.of("error", "books are only read"));
            return;
        }
        String rest = exchange.getRequestURI().getPath().substring("/api/books".length());
        if (rest.isEmpty() || rest.equals("/")) {
            Map<String, String> query = query(exchange.getRequestURI().getRawQuery());
            Locale language = Locale.forLanguageTag(query.getOrDefault("lang", "en"));
            send(exchange, 200, catalogue.search(query.getOrDefault("q", ""), language));
            return;
        }
        var book = catalogue.find(rest.substring(1));
        if (book.isPresent()) {
            send(exchange, 200, book.get());
        } else {
            send(exchange, 404, Map.of("error", "there is no such book"));
        }
    }

    void loans(HttpExchange exchange) throws IOException {
        if (!exchange.getRequestMethod().equals("POST")) {
            send(exchange, 405, Map.of("error", "loans are posted"));
            return;
        }
        try (var reader = new InputStreamReader(exchange.getRequestBody(), StandardCharsets.UTF_8)) {
            Loan loan = gson.fromJson(reader, Loan.class);
            if (loan == null || loan.isbn() == null || catalogue.find(loan.isbn()).isEmpty()) {
                send(exchange, 404, Map.of("error", "there is no such book"));
                return;
            }
            LocalDate until = LocalDate.parse(loan.from()).plusDays(loan.days());
            boolean lent = catalogue.lend(loan.isbn(), until);
            send(exchange, lent ? 201 : 409, new Lent(loan.isbn(), lent));
        } catch (JsonParseException | DateTimeException | NullPointerException error) {
            send(exchange, 400, Map.of("error", "a loan has an isbn, a date from when, and days"));
        }
    }

    private void send(HttpExchange exchange, int status, Object value) throws IOException {
        byte[] body = gson.toJson(value).getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, body.length);
        try (OutputStream output = exchange.getResponseBody()) {
            output.write(body);
        }
    }

    static Map<String, String> query(String raw) {
        Map<String, String> query = new HashMap<>();
        for (String pair : raw == null ? new String[0] : raw.split("&")) {
            int equals = pair.indexOf('=');
            if (equals > 0) {
                query.put(pair.substring(0, equals), URLDecoder.decode(pair.substring(equals + 1), StandardCharsets.UTF_8));
            }
        }
        return query;
    }
}
