#include "tally.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static size_t bucket_of(const char *word, size_t length)
{
    size_t hash = 5381;
    for (size_t i = 0; i < length; i++)
        hash = hash * 33 + (unsigned char)word[i];
    return hash % TALLY_BUCKETS;
}

static int add_word(struct tally *tally, const char *word, size_t length)
{
    struct tally_word **place = &tally->buckets[bucket_of(word, length)];
    for (; *place != NULL; place = &(*place)->next) {
        if (strlen((*place)->text) == length && memcmp((*place)->text, word, length) == 0)
            break;
    }
    if (*place == NULL) {
        struct tally_word *fresh = calloc(1, sizeof *fresh + length + 1);
        if (fresh == NULL)
            return -1;
        memcpy(fresh->text, word, length);
        *place = fresh;
        tally->distinct++;
    }
    (*place)->count++;
    tally->words++;
    return 0;
}

void tally_init(struct tally *tally)
{
    memset(tally, 0, sizeof *tally);
}

int tally_add(struct tally *tally, const char *text, size_t length)
{
    char *word = malloc(length + 1);
    size_t used = 0;
    int failed = word == NULL ? -1 : 0;
    for (size_t i = 0; failed == 0 && i <= length; i++) {
        if (i < length && isalpha((unsigned char)text[i])) {
            word[used++] = (char)tolower((unsigned char)text[i]);
        } else if (used > 0) {
            failed = add_word(tally, word, used);
            used = 0;
        }
    }
    free(word);
    return failed;
}

size_t tally_count(const struct tally *tally, const char *word)
{
    const struct tally_word *at = tally->buckets[bucket_of(word, strlen(word))];
    while (at != NULL && strcmp(at->text, word) != 0)
        at = at->next;
    return at == NULL ? 0 : at->count;
}

const struct tally_word *tally_most(const struct tally *tally)
{
    const struct tally_word *most = NULL;
    for (size_t i = 0; i < TALLY_BUCKETS; i++) {
        for (const struct tally_word *at = tally->buckets[i]; at != NULL; at = at->next) {
            if (most == NULL || at->count > most->count || (at->count == most->count && strcmp(at->text, most->text) < 0))
                most = at;
        }
    }
    return most;
}

void tally_free(struct tally *tally)
{
    for (size_t i = 0; i < TALLY_BUCKETS; i++) {
        struct tally_word *at = tally->buckets[i];
        while (at != NULL) {
            struct tally_word *next = at->next;
            free(at);
            at = next;
        }
    }
    tally_init(tally);
}
