/* tally FILE: says how many words a text has. */
#include "tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef VERSION
#define VERSION "unknown"
#endif

static char *read_all(FILE *file, size_t *length)
{
    size_t room = 4096;
    char *text = malloc(room);
    *length = 0;
    while (text != NULL) {
        *length += fread(text + *length, 1, room - *length, file);
        if (*length < room)
            break;
        char *larger = realloc(text, room * 2);
        if (larger == NULL)
            free(text);
        text = larger;
        room *= 2;
    }
    return text;
}

int main(int count, char **args)
{
    if (count == 2 && strcmp(args[1], "--version") == 0) {
        puts("tally " VERSION);
        return 0;
    }
    FILE *file = count == 2 ? fopen(args[1], "rb") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: tally FILE | --version (FILE must be readable)\n");
        return 2;
    }
    size_t length;
    char *text = read_all(file, &length);
    fclose(file);
    struct tally tally;
    tally_init(&tally);
    if (text == NULL || tally_add(&tally, text, length) != 0) {
        fprintf(stderr, "tally: out of memory\n");
        return 1;
    }
    const struct tally_word *most = tally_most(&tally);
    printf("words=%zu\ndistinct=%zu\n", tally.words, tally.distinct);
    if (most != NULL)
        printf("most=%s (%zu)\n", most->text, most->count);
    tally_free(&tally);
    free(text);
    return 0;
}
