#ifndef WORDFREQ_H
#define WORDFREQ_H

#include <stdbool.h>
#include <stddef.h>

struct entry {
    char *word;
    unsigned long count;
    bool stop;
};

/* A hash table of words; room is a power of two. */
struct table {
    struct entry *entries;
    size_t room, used;
};

struct entry *table_find(struct table *table, const char *word);
struct entry *table_sorted(struct table *table);
void table_free(struct table *table);

/* Marks the words of a language, which are in a file below stopwords/. Returns false if there is no such language. */
bool stopwords_load(struct table *table, const char *directory, const char *language);
void stopwords_languages(const char *directory);

#endif
