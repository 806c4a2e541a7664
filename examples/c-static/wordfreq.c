/* wordfreq counts the words of a text.
 *
 *     wordfreq [-n NUMBER] [-s LANGUAGE] [-l] [FILE...]
 */
#include "wordfreq.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *directory(void)
{
    const char *set = getenv("WORDFREQ_STOPWORDS");
    return set ? set : "stopwords";
}

static unsigned long count_words(struct table *table, FILE *input)
{
    char word[256];
    size_t length = 0;
    unsigned long total = 0;
    int c;

    do {
        c = getc(input);
        if (c != EOF && (isalpha(c) || c >= 0x80 || (c == '\'' && length))) {
            if (length < sizeof word - 1)
                word[length++] = (char)tolower(c);
        } else if (length) {
            word[length] = '\0';
            table_find(table, word)->count++;
            total++;
            length = 0;
        }
    } while (c != EOF);
    return total;
}

int main(int argc, char **argv)
{
    struct table table = { 0 };
    const char *language = "english";
    unsigned long number = 10, total = 0, shown = 0;
    int option, status = 0;

    while ((option = getopt(argc, argv, "n:s:l")) != -1) {
        switch (option) {
        case 'n': number = strtoul(optarg, NULL, 10); break;
        case 's': language = optarg; break;
        case 'l': stopwords_languages(directory()); return 0;
        default: return 2;
        }
    }
    if (!stopwords_load(&table, directory(), language)) {
        fprintf(stderr, "wordfreq: there is no list of words for %s\n", language);
        return 2;
    }
    if (optind == argc)
        total = count_words(&table, stdin);
    for (int i = optind; i < argc; i++) {
        FILE *file = fopen(argv[i], "r");
        if (!file) {
            perror(argv[i]);
            status = 1;
            continue;
        }
        total += count_words(&table, file);
        fclose(file);
    }
    if (table.room) {
        struct entry *entries = table_sorted(&table);
        for (size_t i = 0; i < table.room && shown < number; i++)
            if (entries[i].count && !entries[i].stop) {
                printf("%8lu  %s\n", entries[i].count, entries[i].word);
                shown++;
            }
    }
    printf("%8lu  words in all\n", total);
    table_free(&table);
    return status;
}
