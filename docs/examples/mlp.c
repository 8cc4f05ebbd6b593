/* The backpropagation of a multilayer perceptron by hand, as an adapter for backproof.

   cc -O2 -o mlp mlp.c -lm && backproof verify --adapter-command ./mlp -k article

   It reads program.json and its numbers from one folder, and writes all values, cotangents and
   gradients to another (docs/trace-files.md). Arithmetic is in double; what is kept is rounded to
   the precision of the program. Ops: dense, sigmoid, tanh, relu, half_squared_error. */

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An array: a matrix of rows x columns; a vector is one row, a number 1 x 1. */
typedef struct { char *name, shape[64]; size_t rows, columns; double *value, *d; int is_node; } Array;

static Array arrays[4096];
static int count, is_double;

static void say(const char *format, ...) { /* One line for backproof. */
    va_list all;
    va_start(all, format);
    vprintf(format, all);
    va_end(all);
    putchar('\n');
    fflush(stdout);
}

#define GIVE_UP(...) do { say(__VA_ARGS__); return 0; } while (0)

/* JSON, as much as is needed: a value is a pointer to its first character. */

static const char *space(const char *p) { return p + strspn(p, " \t\r\n,:"); }

static const char *after(const char *p) { /* Return what comes after a value. */
    p = space(p);
    if (*p == '"') {
        for (p++; *p && *p != '"'; p++) p += *p == '\\' && p[1];
        return *p ? p + 1 : p;
    }
    if (*p != '{' && *p != '[') return p + strcspn(p, ",]} \t\r\n");
    for (p = space(p + 1); *p && *p != '}' && *p != ']'; p = space(p)) p = after(p);
    return *p ? p + 1 : p;
}

static const char *item(const char *array, size_t i) { /* Return the i-th item, or NULL. */
    const char *p = space(array);
    if (*p != '[') return NULL;
    for (p = space(p + 1); i && *p && *p != ']'; i--) p = space(after(p));
    return *p && *p != ']' ? p : NULL;
}

static char *string(const char *p) { /* Return a copy of a string without its quotes. */
    const char *end = after(p = space(p));
    size_t n = end > p + 1 && *p == '"' ? (size_t)(end - p - 2) : 0;
    char *copy = calloc(n + 1, 1);
    return memcpy(copy, p + 1, n);
}

static const char *find(const char *object, const char *key) { /* Return a field, or NULL. */
    const char *p = space(object);
    if (*p != '{') return NULL;
    for (p = space(p + 1); *p == '"'; p = space(after(after(p)))) {
        size_t n = strlen(key);
        if (!strncmp(p + 1, key, n) && p[n + 1] == '"') return space(after(p));
    }
    return NULL;
}

static char *whole(const char *folder, const char *file, size_t *size) { /* Read a file. */
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *all = calloc(*size + 1, 1);
    *size = fread(all, 1, *size, f);
    fclose(f);
    return all;
}

static double kept(double x) { return is_double ? x : (double)(float)x; }

static Array *named(const char *name) {
    for (int i = 0; i < count; i++) if (!strcmp(arrays[i].name, name)) return &arrays[i];
    return NULL;
}

static Array *add(char *name, size_t rows, size_t columns, const char *shape) {
    Array *a = &arrays[count++];
    *a = (Array){name, "", rows, columns, calloc(rows * columns, 8), calloc(rows * columns, 8), 0};
    snprintf(a->shape, sizeof a->shape, "%s", shape);
    return a;
}

/* safetensors: the length of the header in 8 bytes, the header as JSON, the numbers. */

static int read_leaf(const char *leaf, const char *numbers) {
    char *name = string(find(leaf, "name")), key[1024];
    snprintf(key, sizeof key, "value/%s", name);
    uint64_t n;
    memcpy(&n, numbers, 8);
    const char *entry = find(numbers + 8, key), *shape = find(leaf, "shape");
    if (!entry || item(shape, 2)) GIVE_UP("unsupported leaf %s: only matrices are", name);
    size_t rows = item(shape, 1) ? strtoul(item(shape, 0), NULL, 10) : 1;
    const char *last = item(shape, 1) ? item(shape, 1) : item(shape, 0);
    size_t columns = last ? strtoul(last, NULL, 10) : 1;
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)(after(shape) - shape), shape);
    Array *a = add(name, rows, columns, text);
    const char *from = numbers + 8 + n + strtoul(item(find(entry, "data_offsets"), 0), NULL, 10);
    for (size_t i = 0; i < rows * columns; i++) {
        float x;
        if (is_double) memcpy(&a->value[i], from + 8 * i, 8);
        else memcpy(&x, from + 4 * i, 4), a->value[i] = x;
    }
    return 1;
}

static int write_all(const char *folder, int values_too) {
    char *header = calloc(count + 1, 4096), path[4096];
    size_t end = 0, size = is_double ? 8 : 4;
    int n = sprintf(header, "{");
    for (int pass = 0; pass < 2; pass++) /* values, then cotangents and gradients */
        for (int i = 0; i < count; i++) {
            Array *a = &arrays[i];
            const char *kind = pass ? (a->is_node ? "cotangent" : "gradient") : "value";
            size_t bytes = a->rows * a->columns * size;
            if (!pass && !(values_too && a->is_node)) continue;
            n += sprintf(header + n, "%s\"%s/%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":"
                         "[%zu,%zu]}", n > 1 ? "," : "", kind, a->name, is_double ? "F64" : "F32",
                         a->shape, end, end + bytes);
            end += bytes;
        }
    n += sprintf(header + n, "}");
    snprintf(path, sizeof path, "%s/answer.safetensors", folder);
    FILE *f = fopen(path, "wb");
    if (!f) GIVE_UP("error %s cannot be written", path);
    uint64_t length = (uint64_t)n;
    fwrite(&length, 8, 1, f);
    fwrite(header, 1, length, f);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < count; i++) {
            Array *a = &arrays[i];
            if (!pass && !(values_too && a->is_node)) continue;
            for (size_t k = 0; k < a->rows * a->columns; k++) {
                double x = (pass ? a->d : a->value)[k];
                float y = (float)x;
                fwrite(is_double ? (void *)&x : (void *)&y, size, 1, f);
            }
        }
    free(header);
    return fclose(f) == 0;
}

/* The passes. y: a node; x, W, b: its inputs, of which b may be left out. */

static void forward(const char *op, Array *y, Array *x, Array *W, Array *b) {
    size_t n = x->rows * x->columns;
    if (!strcmp(op, "dense"))
        for (size_t r = 0; r < y->rows; r++)
            for (size_t c = 0; c < y->columns; c++) {
                double sum = !b ? 0 : b->value[b->columns == 1 ? 0 : c];
                for (size_t k = 0; k < x->columns; k++)
                    sum += x->value[r * x->columns + k] * W->value[k * W->columns + c];
                y->value[r * y->columns + c] = kept(sum);
            }
    else if (!strcmp(op, "half_squared_error")) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += pow(x->value[i] - W->value[i], 2);
        y->value[0] = kept(sum / 2);
    } else
        for (size_t i = 0; i < n; i++) {
            double z = x->value[i];
            y->value[i] = kept(!strcmp(op, "tanh") ? tanh(z) : !strcmp(op, "relu") ? (z > 0 ? z : 0)
                               : 1 / (1 + exp(-z)));
        }
}

static void backward(const char *op, Array *y, Array *x, Array *W, Array *b) {
    size_t n = x->rows * x->columns;
    for (size_t i = 0; i < y->rows * y->columns; i++) y->d[i] = kept(y->d[i]);
    if (!strcmp(op, "dense"))
        for (size_t r = 0; r < y->rows; r++)
            for (size_t c = 0; c < y->columns; c++) {
                double dz = y->d[r * y->columns + c];
                if (b) b->d[b->columns == 1 ? 0 : c] += dz;
                for (size_t k = 0; k < x->columns; k++) {
                    x->d[r * x->columns + k] += dz * W->value[k * W->columns + c];
                    W->d[k * W->columns + c] += dz * x->value[r * x->columns + k];
                }
            }
    else if (!strcmp(op, "half_squared_error"))
        for (size_t i = 0; i < n; i++) {
            double far = y->d[0] * (x->value[i] - W->value[i]);
            x->d[i] += far;
            W->d[i] -= far;
        }
    else
        for (size_t i = 0; i < n; i++) {
            double s = y->value[i], slope = s * (1 - s); /* sigmoid' */
            if (!strcmp(op, "tanh")) slope = 1 - s * s;
            if (!strcmp(op, "relu")) slope = x->value[i] > 0;
            x->d[i] += y->d[i] * slope;
        }
}

static int update(const char *program, const char *to) { /* w - eta dE/dw, as the array "w" */
    Array *w = named("w"), *gradient = named("gradient");
    double eta = strtod(find(program, "eta"), NULL);
    for (size_t i = 0; i < w->rows * w->columns; i++) w->value[i] -= eta * gradient->value[i];
    w->is_node = 1;
    return write_all(to, 1);
}

static int pass(const char *program, const char *to) {
    const char *nodes = find(program, "nodes"), *node;
    Array *in[4096][3], *out[4096];
    char *op[4096];
    int n = 0;
    for (; (node = item(nodes, (size_t)n)); n++) {
        op[n] = string(find(node, "op"));
        for (size_t i = 0; i < 3; i++) {
            const char *input = item(find(node, "inputs"), i);
            in[n][i] = input ? named(string(input)) : NULL;
        }
        int is_dense = !strcmp(op[n], "dense"), is_loss = !strcmp(op[n], "half_squared_error");
        if (!is_dense && !is_loss && strcmp(op[n], "sigmoid") && strcmp(op[n], "tanh") && strcmp(op[n], "relu"))
            GIVE_UP("unsupported %s: it is not written yet", op[n]);
        size_t rows = is_loss ? 1 : in[n][0]->rows;
        size_t columns = is_loss ? 1 : is_dense ? in[n][1]->columns : in[n][0]->columns;
        char shape[64];
        snprintf(shape, sizeof shape, is_loss ? "[]" : "[%zu,%zu]", rows, columns);
        out[n] = add(string(find(node, "name")), rows, columns, shape);
        out[n]->is_node = 1;
        forward(op[n], out[n], in[n][0], in[n][1], in[n][2]);
    }
    out[n - 1]->d[0] = strtod(find(program, "loss_scale"), NULL);
    while (n--) backward(op[n], out[n], in[n][0], in[n][1], in[n][2]);
    return write_all(to, 1);
}

static int answer(const char *from, const char *to) {
    size_t size;
    char *program = whole(from, "program.json", &size), *numbers;
    if (!program) GIVE_UP("error no program in %s", from);
    count = 0;
    for (const char *leaf, *leaves = find(program, "leaves"); (leaf = item(leaves, (size_t)count));) {
        char *dtype = string(find(leaf, "dtype"));
        is_double = !strcmp(dtype, "float64");
        if (!is_double && strcmp(dtype, "float32")) GIVE_UP("unsupported %s: C has no such type", dtype);
        numbers = whole(from, string(item(find(program, "numbers"), 0)), &size);
        if (!numbers || size < 8) GIVE_UP("error no numbers in %s", from);
        if (!read_leaf(leaf, numbers)) return 0;
        free(numbers);
    }
    return !strcmp(string(find(program, "task")), "update") ? update(program, to) : pass(program, to);
}

int main(void) {
    static char line[8192];
    say("by hand in C, 1.0");
    while (fgets(line, sizeof line, stdin)) { /* the program's folder, a tab, the answer's */
        line[strcspn(line, "\n")] = 0;
        char *to = strchr(line, '\t');
        if (!to) return 1;
        *to++ = 0;
        if (answer(line, to)) say("ok");
    }
    return 0;
}
