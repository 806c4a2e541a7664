package net.example.library;

import java.time.LocalDate;

/** A book, and until when it is lent, or null. */
public record Book(String isbn, String title, String author, int year, String lentUntil) {
    Book lentUntil(LocalDate date) {
        return new Book(isbn, title, author, year, date == null ? null : date.toString());
    }
}
