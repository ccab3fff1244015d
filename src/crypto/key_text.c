/* Reads keys from text: base64, PEM (RFC 7468), the service's prefixes. */
#include "crypto/key.h"
#include "crypto/decode.h"
#include "crypto/key_internal.h"

#include <string.h>

typedef bool read_der(grid_slice der, grid_private_der *key, grid_error *err);

enum { MOST_BACKSLASHES = 4 };

/* The size of the blank that the text begins with, or 0. A line break may be spelled as a
 * backslash and a letter, as in .env files and JSON; the backslash may be escaped
 * again. */
static size_t blank_size(grid_slice text)
{
    size_t size = 0;

    if (text.size && strchr(" \t\r\n\v\f", text.data[0]) && text.data[0])
        return 1;
    while (size < text.size && size < MOST_BACKSLASHES && text.data[size] == '\\')
        size++;
    return size && size < text.size && strchr("nrt", text.data[size]) && text.data[size] ? size + 1 : 0;
}

static grid_slice without_first(grid_slice text, size_t size)
{
    return (grid_slice){text.data + size, text.size - size};
}

static grid_slice skip_blanks(grid_slice text)
{
    size_t size;

    while ((size = blank_size(text)))
        text = without_first(text, size);
    return text;
}

static bool skip(grid_slice *text, const char *prefix)
{
    size_t size = strlen(prefix);

    if (text->size < size || memcmp(text->data, prefix, size) != 0)
        return false;
    *text = (grid_slice){text->data + size, text->size - size};
    return true;
}

static grid_slice without_blanks(grid_slice text)
{
    grid_slice at;
    size_t end = 0;

    text = skip_blanks(text);
    for (at = text; at.size; at = skip_blanks(without_first(at, 1)))
        end = (size_t)(at.data - text.data) + 1;
    return (grid_slice){text.data, end};
}

/* Removes blanks, a byte order mark, and quotes that enclose the text. */
static grid_slice trim(grid_slice text)
{
    text = skip_blanks(text);
    skip(&text, "\xef\xbb\xbf");
    text = without_blanks(text);
    if (text.size < 2 || !strchr("\"'", text.data[0]) || text.data[text.size - 1] != text.data[0])
        return text;
    return without_blanks((grid_slice){text.data + 1, text.size - 2});
}

/* Moves the text to where `what` begins. */
static bool seek(grid_slice *text, const char *what)
{
    grid_slice probe;

    for (; text->size; text->data++, text->size--) {
        probe = *text;
        if (skip(&probe, what))
            return true;
    }
    return false;
}

static bool bad_key(grid_error *err, const char *message)
{
    return grid_error_set(err, GRID_CRYPTO, "bad_key", "%s", message);
}

/* text/base64.h refuses line breaks, but the text of a key is often wrapped. */
static bool decode(grid_slice text, grid_buffer *der, grid_error *err)
{
    grid_buffer packed;
    bool decoded = false;

    if (text.size > GRID_KEY_TEXT_MAX)
        return bad_key(err, "the text is too long for a key");
    grid_buffer_init(&packed, GRID_KEY_TEXT_MAX);
    if (grid_buffer_reserve(&packed, text.size, err)) {
        for (text = skip_blanks(text); text.size; text = skip_blanks(without_first(text, 1)))
            packed.data[packed.size++] = text.data[0];
        decoded = grid_crypto_decode((grid_slice){packed.data, packed.size}, "bad_key", "the key is not base64", der, err);
    }
    grid_buffer_clear(&packed);
    return decoded;
}

/* ---- PEM (RFC 7468) ---------------------------------------------------------------- */

typedef struct pem_block {
    grid_slice label, body;
} pem_block;

static bool is_label(const pem_block *block, const char *label)
{
    return block->label.size == strlen(label) && memcmp(block->label.data, label, block->label.size) == 0;
}

/* Moves the text past the next block. */
static bool take_block(grid_slice *text, pem_block *block, grid_error *err)
{
    static const char begin[] = "-----BEGIN ", end[] = "-----END ", dashes[] = "-----";
    grid_slice rest = *text;

    seek(&rest, begin);
    skip(&rest, begin);
    block->label = rest;
    if (!seek(&rest, dashes))
        return bad_key(err, "the PEM text has no END line");
    block->label.size = (size_t)(rest.data - block->label.data);
    skip(&rest, dashes);
    block->body = rest;
    if (!seek(&rest, end))
        return bad_key(err, "the PEM text has no END line");
    block->body.size = (size_t)(rest.data - block->body.data);
    skip(&rest, end);
    if (rest.size < block->label.size || memcmp(rest.data, block->label.data, block->label.size) != 0)
        return bad_key(err, "the PEM text has an END line of another label than its BEGIN line");
    *text = without_first(rest, block->label.size);
    return skip(text, dashes) || bad_key(err, "the PEM text has no END line");
}

/* "Proc-Type: 4,ENCRYPTED" (RFC 1421 4.6.1.1) */
static bool is_encrypted(const pem_block *block)
{
    grid_slice body = block->body;

    return is_label(block, "ENCRYPTED PRIVATE KEY") || (seek(&body, "Proc-Type:") && seek(&body, "ENCRYPTED"));
}

static bool is_private(const pem_block *block)
{
    static const char what[] = "PRIVATE KEY";
    grid_slice label = block->label;

    return seek(&label, what) && label.size == strlen(what);
}

static bool choose_reader(const pem_block *block, read_der **read, grid_error *err)
{
    if (is_encrypted(block))
        return bad_key(err, "the private key is encrypted: decrypt it first, as with openssl pkey -in FILE -out NEW");
    *read = is_label(block, "PRIVATE KEY") ? grid_der_read_pkcs8 : grid_der_read_ec_private_key;
    return is_label(block, "PRIVATE KEY") || is_label(block, "EC PRIVATE KEY") ||
           bad_key(err, "the private key in the PEM text is of another kind than PRIVATE KEY and EC PRIVATE KEY");
}

/* Finds the private key in PEM, among certificates and parameters. Text outside of the
 * blocks is a comment (RFC 7468 5.2), or the attributes that openssl pkcs12 writes. */
static bool open_pem(grid_slice *text, read_der **read, grid_error *err)
{
    grid_slice rest = *text, probe;
    pem_block block = {0};
    bool found = false;

    for (probe = rest; seek(&probe, "-----BEGIN "); probe = rest) {
        if (!take_block(&rest, &block, err))
            return false;
        if (!is_private(&block))
            continue;
        if (found)
            return bad_key(err, "the PEM text has two private keys: leave one of them in the text");
        if (!choose_reader(&block, read, err))
            return false;
        *text = block.body;
        found = true;
    }
    return found || bad_key(err, "the PEM text has no private key");
}

grid_key *grid_key_new_from_text(grid_slice text, grid_error *err)
{
    read_der *read = grid_der_read_private_key;
    grid_private_der found;
    grid_buffer der;
    grid_slice dashes;
    grid_key *key = NULL;

    if (text.size > GRID_KEY_PEM_MAX) {
        bad_key(err, "the text is too long for a key");
        return NULL;
    }
    text = trim(text);
    if (skip(&text, "wallet-auth:") || skip(&text, "wallet-api:"))
        text = trim(text);
    dashes = text;
    if (seek(&dashes, "-----BEGIN ") && !open_pem(&text, &read, err))
        return NULL;
    grid_buffer_init(&der, GRID_KEY_TEXT_MAX);
    if (decode(text, &der, err) && read((grid_slice){der.data, der.size}, &found, err))
        key = grid_key_new_from_der(&found, err);
    grid_buffer_clear(&der);
    return key;
}
