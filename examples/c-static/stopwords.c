#include "wordfreq.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool stopwords_load(struct table *table, const char *directory, const char *language)
{
    char path[4096], word[256];
    FILE *file;

    if (strcmp(language, "none") == 0)
        return true;
    snprintf(path, sizeof path, "%s/%s.txt", directory, language);
    file = fopen(path, "r");
    if (!file)
        return false;
    while (fscanf(file, "%255s", word) == 1)
        table_find(table, word)->stop = true;
    fclose(file);
    return true;
}

static int is_text(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && strcmp(dot, ".txt") == 0;
}

void stopwords_languages(const char *directory)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, is_text, alphasort);

    for (int i = 0; i < count; i++) {
        *strrchr(entries[i]->d_name, '.') = '\0';
        printf("%s\n", entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}
