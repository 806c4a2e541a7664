package net.example.library;

import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.text.NumberFormat;
import java.time.LocalDate;
import java.time.format.DateTimeFormatter;
import java.time.format.FormatStyle;
import java.util.List;
import java.util.Locale;
import java.util.MissingResourceException;
import java.util.ResourceBundle;

/** What people look at. */
final class Pages {
    private final Catalogue catalogue;

    Pages(Catalogue catalogue) {
        this.catalogue = catalogue;
    }

    void answer(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        if (path.equals("/style.css")) {
            try (InputStream style = Pages.class.getResourceAsStream("/style.css")) {
                send(exchange, 200, "text/css", style.readAllBytes());
            }
            return;
        }
        Locale locale = locale(exchange.getRequestHeaders().getFirst("Accept-Language"));
        ResourceBundle words = words(locale);
        if (!path.equals("/")) {
            send(exchange, 404, "text/plain; charset=utf-8", (words.getString("missing") + "\n").getBytes(StandardCharsets.UTF_8));
            return;
        }
        StringBuilder page = new StringBuilder("<!DOCTYPE html><meta charset=utf-8><link rel=stylesheet href=/style.css><h1>");
        page.append(words.getString("title")).append("</h1><p>");
        page.append(NumberFormat.getInstance(locale).format(catalogue.size() * 1000L + 0.5)).append("</p><ul>");
        for (Book book : catalogue.search("", locale)) {
            page.append("<li>").append(book.title()).append(" (").append(book.author()).append(", ").append(book.year()).append(")");
            if (book.lentUntil() != null) {
                LocalDate until = LocalDate.parse(book.lentUntil());
                page.append(" – ").append(words.getString("until")).append(' ');
                page.append(until.format(DateTimeFormatter.ofLocalizedDate(FormatStyle.FULL).withLocale(locale)));
            }
        }
        send(exchange, 200, "text/html; charset=utf-8", page.append("</ul>\n").toString().getBytes(StandardCharsets.UTF_8));
    }

    private static Locale locale(String header) {
        try {
            List<Locale.LanguageRange> ranges = Locale.LanguageRange.parse(header == null ? "en" : header);
            return Locale.forLanguageTag(ranges.get(0).getRange());
        } catch (IllegalArgumentException error) {
            return Locale.ENGLISH;
        }
    }

    private static ResourceBundle words(Locale locale) {
        try {
            return ResourceBundle.getBundle("words", locale, ResourceBundle.Control.getNoFallbackControl(ResourceBundle.Control.FORMAT_DEFAULT));
        } catch (MissingResourceException error) {
            return ResourceBundle.getBundle("words", Locale.ROOT);
        }
    }

    private static void send(HttpExchange exchange, int status, String type, byte[] body) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", type);
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }
}
