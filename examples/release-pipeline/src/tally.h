/* Counts words: how many, how many different ones, and which comes most often. */
#ifndef TALLY_H
#define TALLY_H

#include <stddef.h>

enum { TALLY_BUCKETS = 1024 };

struct tally_word {
    struct tally_word *next;
    size_t count;
    char text[];
};

struct tally {
    struct tally_word *buckets[TALLY_BUCKETS];
    size_t words;
    size_t distinct;
};

/* An empty tally. */
void tally_init(struct tally *tally);

/* Adds all words of a text; letters are folded to lower case, everything else separates. Returns 0, or -1 without memory. */
int tally_add(struct tally *tally, const char *text, size_t length);

/* How often a word was added (given in lower case). */
size_t tally_count(const struct tally *tally, const char *word);

/* The word that was added most often, the alphabetically first of equals; NULL if there is none. */
const struct tally_word *tally_most(const struct tally *tally);

/* Gives the memory back; the tally is empty again. */
void tally_free(struct tally *tally);

#endif
