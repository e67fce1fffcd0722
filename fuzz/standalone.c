/*
 * Runs inputs in the ordinary build: each file named, or every file of a
 * folder named, in order; prints the hash of the machine's last state. Then
 * all of them once more from the last to the first: a hash that differs means
 * that one scenario left something for the next.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/driver.h"

#define FILES_MAX 4096u
#define INPUT_MAX (1u << 20)

struct input {
    char path[512];
    uint64_t hash;
    bool good;
};

static struct input *inputs;
static unsigned nr_inputs, passed, failed;

static void add(const char *path)
{
    if (nr_inputs == FILES_MAX || strlen(path) >= sizeof(inputs[0].path)) {
        fprintf(stderr, "%s: too many files, or too long a name\n", path);
        exit(2);
    }
    strcpy(inputs[nr_inputs++].path, path);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct input *)a)->path,
                  ((const struct input *)b)->path);
}

static void add_folder(const char *path)
{
    unsigned first = nr_inputs;
    char full[512];
    DIR *d = opendir(path);
    if (d == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] != '.' &&
            snprintf(full, sizeof(full), "%s/%s", path, e->d_name) <
                (int)sizeof(full)) {
            add(full);
        }
    }
    closedir(d);
    qsort(inputs + first, nr_inputs - first, sizeof(*inputs), by_name);
}

static void run(struct input *in, bool again)
{
    static uint8_t bytes[INPUT_MAX];
    char msg[512];
    uint64_t hash;
    FILE *file = fopen(in->path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", in->path, strerror(errno));
        exit(2);
    }
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    bool good = fuzz_run(bytes, len, msg, sizeof(msg), &hash);
    if (again) {
        if (hash != in->hash || good != in->good) {
            printf("FAIL  %s: 0x%016llx, and 0x%016llx after others\n",
                   in->path, (unsigned long long)in->hash,
                   (unsigned long long)hash);
            failed++;
            passed -= in->good;
        }
        return;
    }
    in->hash = hash;
    in->good = good;
    printf("%s  %s 0x%016llx%s%s\n", good ? "ok  " : "FAIL", in->path,
           (unsigned long long)hash, good ? "" : ": ", good ? "" : msg);
    fflush(stdout);
    passed += good;
    failed += !good;
}

int main(int argc, char **argv)
{
    struct stat st;
    inputs = calloc(FILES_MAX, sizeof(*inputs));
    if (argc < 2 || inputs == NULL) {
        fprintf(stderr, "usage: %s FILE|FOLDER...\n", argv[0]);
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        if (stat(argv[i], &st) != 0) {
            fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
            return 2;
        }
        if (S_ISDIR(st.st_mode)) {
            add_folder(argv[i]);
        } else {
            add(argv[i]);
        }
    }
    for (unsigned i = 0; i < nr_inputs; i++) {
        run(&inputs[i], false);
    }
    for (unsigned i = nr_inputs; i > 0; i--) {
        run(&inputs[i - 1], true);
    }
    printf("%u passed, %u failed, 0 skipped\n", passed, failed);
    free(inputs);
    return failed > 0;
}
