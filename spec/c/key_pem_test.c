/* Keys as they lie in files: PEM among other blocks, line breaks that are spelled,
 * quotes, byte order marks; and the reason why one of them is refused. */
#include "key_support.h"

#define CERTIFICATE "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----\n"
#define PARAMETERS "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"

/* The message names the reason. */
static bool refuses_with(const char *text, const char *words)
{
    grid_error err = {0};
    grid_key *key = import(text, &err);
    bool refused = refused_as(!key, &err, "bad_key") && strstr(err.message, words);

    if (!refused)
        printf("    %s\n", key ? "imported" : err.message);
    grid_key_free(key);
    return refused;
}

/* Replaces each line break by `by`. */
static const char *spelled(const char *text, const char *by)
{
    static char out[4 * 8192];
    size_t used = 0;

    for (; *text; text++)
        used += (size_t)(*text == '\n' ? snprintf(out + used, sizeof out - used, "%s", by)
                                       : snprintf(out + used, sizeof out - used, "%c", *text));
    return out;
}

static const char *pkcs8(void)
{
    return pem("PRIVATE KEY", KEY_138);
}

static const char *sec1(void)
{
    return pem("EC PRIVATE KEY", SEC1_121);
}

static void a_key_is_found_among_other_blocks(void)
{
    CHECK(imports(joined("", pkcs8(), CERTIFICATE)));
    CHECK(imports(joined("", pkcs8(), CERTIFICATE CERTIFICATE)));
    CHECK(imports(joined(CERTIFICATE, pkcs8(), "")));
    CHECK(imports(joined(PARAMETERS, sec1(), CERTIFICATE)));
    CHECK(imports(joined("", sec1(), PARAMETERS)));
    CHECK(imports(joined("Bag Attributes\n    localKeyID: 01\nKey Attributes: <No Attributes>\n", pkcs8(),
                         "Bag Attributes\n    localKeyID: 01\nsubject=CN = a\nissuer=CN = a\n" CERTIFICATE "\n")));
    CHECK(imports(joined("The key\n", pkcs8(), "Private-Key: (256 bit)\npriv:\n    00:01\n")));
    CHECK(imports(joined("", sec1(), "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----")));
}

static void a_key_is_found_before_a_long_chain(void)
{
    static char text[GRID_KEY_PEM_MAX + 64];
    size_t used = (size_t)snprintf(text, sizeof text, "%s", pkcs8());

    while (used + strlen(CERTIFICATE) <= GRID_KEY_PEM_MAX)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", CERTIFICATE);
    CHECK(imports(text));
    snprintf(text + used, sizeof text - used, "%s", CERTIFICATE);
    CHECK(refuses_with(text, "too long"));
}

static void line_breaks_may_be_spelled(void)
{
    static const char *const spellings[] = {"\\n", "\\r\\n", "\\\\n", "\\n\n", "\r\n", " ", "\\n  "};

    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        CHECK(imports(spelled(pkcs8(), spellings[i])));
        CHECK(imports(spelled(joined(PARAMETERS, sec1(), CERTIFICATE), spellings[i])));
        CHECK(imports(spelled(wrapped(base64_of(KEY_138), 64, "\n"), spellings[i])));
    }
    CHECK(imports(joined("wallet-auth:", base64_of(KEY_67), "\\n")));
}

static void quotes_and_a_byte_order_mark_do_no_harm(void)
{
    CHECK(imports(joined("\"", spelled(pkcs8(), "\\n"), "\"")));
    CHECK(imports(joined("'", pkcs8(), "'\n")));
    CHECK(imports(joined("export KEY=\"", spelled(pkcs8(), "\\n"), "\"\n")));
    CHECK(imports(joined("\"", base64_of(KEY_138), "\\n\"\n")));
    CHECK(imports(joined(" '", base64_of(KEY_67), "'")));
    CHECK(imports(joined("\xef\xbb\xbf", base64_of(KEY_138), "\r\n")));
    CHECK(imports(joined("\xef\xbb\xbf\"", spelled(sec1(), "\\n"), "\"")));
}

static void an_encrypted_key_is_named_as_such(void)
{
    CHECK(refuses_with(pem("ENCRYPTED PRIVATE KEY", KEY_138), "encrypted"));
    CHECK(refuses_with(joined(CERTIFICATE, pem("ENCRYPTED PRIVATE KEY", KEY_138), CERTIFICATE), "encrypted"));
    CHECK(refuses_with("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n"
                       "-----END EC PRIVATE KEY-----\n",
                       "encrypted"));
    CHECK(refuses_with("-----BEGIN EC PRIVATE KEY-----\\nProc-Type: 4,ENCRYPTED\\nDEK-Info: AES-128-CBC,00\\n\\nAAAA\\n"
                       "-----END EC PRIVATE KEY-----\\n",
                       "encrypted"));
    CHECK(refuses_with("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,00\n\nAAAA\n"
                       "-----END RSA PRIVATE KEY-----\n",
                       "encrypted"));
}

static void other_pem_is_refused_with_its_reason(void)
{
    char twice[4 * 8192];

    CHECK(refuses_with(CERTIFICATE, "no private key"));
    CHECK(refuses_with(pem("PUBLIC KEY", SPKI_HEAD POINT), "no private key"));
    CHECK(refuses_with(pem("RSA PRIVATE KEY", KEY_138), "another kind"));
    CHECK(refuses_with(pem("OPENSSH PRIVATE KEY", KEY_138), "another kind"));
    snprintf(twice, sizeof twice, "%s%s", pkcs8(), pkcs8());
    CHECK(refuses_with(twice, "two private keys"));
    snprintf(twice, sizeof twice, "%s" CERTIFICATE "%s", sec1(), pkcs8());
    CHECK(refuses_with(twice, "two private keys"));
    CHECK(refuses_with("-----BEGIN PRIVATE KEY", "no END line"));
    CHECK(refuses_with("-----BEGIN PRIVATE KEY-----\nMEEC", "no END line"));
    CHECK(refuses_with("-----BEGIN PRIVATE KEY-----\nMEEC\n-----END PRIVATE KEY", "no END line"));
    CHECK(refuses_with("-----BEGIN PRIVATE KEY-----\nMEEC\n-----END EC PRIVATE KEY-----", "another label"));
    CHECK(refuses_with("-----BEGIN PRIVATE KEY-----\nMEEC\n-----END P", "another label"));
    CHECK(refuses_with(joined("", pkcs8(), "-----BEGIN CERTIFICATE-----\nMIIB"), "no END line"));
}

static void blanks_alone_are_no_key(void)
{
    static const char *const texts[] = {"", "\"", "\"\"", "''", "\\n", "\\", "\xef\xbb\xbf", "\xef\xbb\xbf\"\\n\"",
                                        "\"'\"", "-----BEGIN "};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK(refuses(texts[i], "bad_key"));
}

int main(void)
{
    long live = grid_alloc_live();

    a_key_is_found_among_other_blocks();
    a_key_is_found_before_a_long_chain();
    line_breaks_may_be_spelled();
    quotes_and_a_byte_order_mark_do_no_harm();
    an_encrypted_key_is_named_as_such();
    other_pem_is_refused_with_its_reason();
    blanks_alone_are_no_key();
    CHECK_INT(grid_alloc_live(), live);
    return check_report();
}
