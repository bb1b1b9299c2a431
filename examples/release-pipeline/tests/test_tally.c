/* Says `passed=N`, or names what failed and ends with 1. */
#include "../src/tally.h"

#include <stdio.h>
#include <string.h>

static int passed, failed;

static void check(int holds, const char *what)
{
    if (holds) {
        passed++;
    } else {
        failed++;
        fprintf(stderr, "failed: %s\n", what);
    }
}

static void add(struct tally *tally, const char *text)
{
    check(tally_add(tally, text, strlen(text)) == 0, "there is memory");
}

int main(void)
{
    struct tally tally;
    tally_init(&tally);
    check(tally_most(&tally) == NULL, "an empty tally has no most frequent word");
    add(&tally, "");
    add(&tally, "  ,.;  ");
    check(tally.words == 0, "separators are no words");
    add(&tally, "The sea, the SEA and the shore");
    check(tally.words == 7, "all words count");
    check(tally.distinct == 4, "case makes no other word");
    check(tally_count(&tally, "the") == 3, "the word that comes three times");
    check(tally_count(&tally, "lighthouse") == 0, "a word that never came");
    check(strcmp(tally_most(&tally)->text, "the") == 0, "the most frequent word");
    add(&tally, "sea-sea");
    check(strcmp(tally_most(&tally)->text, "sea") == 0, "a word that took the lead");
    tally_free(&tally);
    check(tally.words == 0 && tally.distinct == 0, "a freed tally is empty");
    printf("passed=%d\n", passed);
    return failed == 0 ? 0 : 1;
}
