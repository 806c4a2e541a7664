#include "wordfreq.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t slot(const struct table *table, const char *word)
{
    uint64_t hash = 14695981039346656037u;

    for (const char *c = word; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    for (size_t i = hash & (table->room - 1);; i = (i + 1) & (table->room - 1))
        if (!table->entries[i].word || strcmp(table->entries[i].word, word) == 0)
            return i;
}

static void grow(struct table *table)
{
    struct table larger = { .room = table->room ? table->room * 2 : 1024, .used = table->used };

    larger.entries = calloc(larger.room, sizeof *larger.entries);
    if (!larger.entries) {
        fputs("wordfreq: out of memory\n", stderr);
        exit(3);
    }
    for (size_t i = 0; i < table->room; i++)
        if (table->entries[i].word)
            larger.entries[slot(&larger, table->entries[i].word)] = table->entries[i];
    free(table->entries);
    *table = larger;
}

struct entry *table_find(struct table *table, const char *word)
{
    if (table->used * 2 >= table->room)
        grow(table);
    struct entry *entry = &table->entries[slot(table, word)];
    if (!entry->word) {
        entry->word = strdup(word);
        table->used++;
    }
    return entry;
}

static int compare(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;

    if (left->count != right->count)
        return left->count < right->count ? 1 : -1;
    return strcmp(left->word ? left->word : "", right->word ? right->word : "");
}

struct entry *table_sorted(struct table *table)
{
    qsort(table->entries, table->room, sizeof *table->entries, compare);
    return table->entries;
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->room; i++)
        free(table->entries[i].word);
    free(table->entries);
}
