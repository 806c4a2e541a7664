package net.example.library;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Collator;
import java.time.LocalDate;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/** The books that there are. */
final class Catalogue {
    private final Map<String, Book> books;

    private Catalogue(List<Book> books) {
        this.books = new ConcurrentHashMap<>(books.stream().collect(Collectors.toMap(Book::isbn, book -> book)));
    }

    static Catalogue read(Path file) throws IOException {
        List<Book> books = new Gson().fromJson(Files.readString(file), new TypeToken<List<Book>>() {}.getType());
        return new Catalogue(books);
    }

    int size() {
        return books.size();
    }

    Optional<Book> find(String isbn) {
        return Optional.ofNullable(books.get(isbn));
    }

    /** Books whose title or author has these words, as the language sorts them. */
    List<Book> search(String words, Locale language) {
        String wanted = words.toLowerCase(language);
        return books.values().stream()
                .filter(book -> (book.title() + " " + book.author()).toLowerCase(language).contains(wanted))
                .sorted(Comparator.comparing(Book::title, Collator.getInstance(language)))
                .toList();
    }

    synchronized boolean lend(String isbn, LocalDate until) {
        Book book = books.get(isbn);
        if (book.lentUntil() != null) {
            return false;
        }
        books.put(isbn, book.lentUntil(until));
        return true;
    }
}
