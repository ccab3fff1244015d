/* The OpenSSL operations that opening an authorization key and signing with it cannot do
 * without: one ECDH derive on P-256 (as documented: setting the peer checks it, which RFC
 * 9180 7.1.4 asks for), one ChaCha20-Poly1305 open, one ECDSA sign. Keys are there
 * already, the cipher is fetched once, nothing is parsed.
 *
 * bare_crypto COUNT MESSAGE_SIZE: prints the seconds that COUNT rounds take. */
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SEALED_SIZE = 184, TAG_SIZE = 16, MAX_MESSAGE = 65536 };

static const unsigned char key[32] = {1}, nonce[12] = {2};

static void need(int done, const char *what)
{
    if (done == 1)
        return;
    fprintf(stderr, "bench: %s failed\n", what);
    exit(1);
}

static void derive(EVP_PKEY *own, EVP_PKEY *peer)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(own, NULL);
    unsigned char secret[32];
    size_t size = sizeof secret;

    need(context && EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer) == 1 &&
             EVP_PKEY_derive(context, secret, &size) == 1,
         "derive");
    EVP_PKEY_CTX_free(context);
}

/* Seals when `seal` is 1, opens when it is 0. */
static void seal_or_open(const EVP_CIPHER *cipher, int seal, const unsigned char *in, unsigned char *out, unsigned char *tag)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int size;

    need(context && EVP_CipherInit_ex2(context, cipher, key, nonce, seal, NULL) == 1, "cipher");
    if (!seal)
        need(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag), "tag");
    need(EVP_CipherUpdate(context, out, &size, in, SEALED_SIZE) == 1 && EVP_CipherFinal_ex(context, out + size, &size) == 1,
         "cipher");
    if (seal)
        need(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag), "tag");
    EVP_CIPHER_CTX_free(context);
}

static void sign(EVP_PKEY *signer, const unsigned char *message, size_t message_size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char signature[80];
    size_t size = sizeof signature;

    need(context && EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, signer, NULL) == 1 &&
             EVP_DigestSign(context, signature, &size, message, message_size) == 1,
         "sign");
    EVP_MD_CTX_free(context);
}

int main(int argc, char **argv)
{
    static unsigned char message[MAX_MESSAGE], sealed[SEALED_SIZE], opened[SEALED_SIZE], tag[TAG_SIZE];
    long count = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
    size_t message_size = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    EVP_PKEY *own = EVP_EC_gen("P-256"), *peer = EVP_EC_gen("P-256");
    struct timespec start, end;

    need(count > 0 && message_size <= MAX_MESSAGE && cipher && own && peer, "start");
    seal_or_open(cipher, 1, opened, sealed, tag);
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long i = 0; i < count; i++) {
        derive(own, peer);
        seal_or_open(cipher, 0, sealed, opened, tag);
        sign(own, message, message_size);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.9f\n", (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    EVP_PKEY_free(own);
    EVP_PKEY_free(peer);
    EVP_CIPHER_free(cipher);
    return 0;
}
