/* error_ssl.c and error_uv.c: other libraries' errors in our form. */
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <uv.h>

#include "unit.h"

static void openssl_queue_is_told_and_emptied(void **state)
{
    struct err e = {0};
    BIO *bio = BIO_new_mem_buf("no PEM here", -1);

    (void)state;
    ERR_clear_error();
    assert_null(PEM_read_bio_X509(bio, NULL, NULL, NULL));
    assert_int_equal(err_ssl(&e, "cannot read %s", "a.pem"), -EIO);
    assert_says(&e, "cannot read a.pem: no start line (Expecting: CERTIFICATE)");
    assert_int_equal(ERR_peek_error(), 0);
    BIO_free(bio);
}

static void openssl_without_an_entry(void **state)
{
    struct err e = {0};

    (void)state;
    ERR_clear_error();
    assert_int_equal(err_ssl(&e, "it failed"), -EIO);
    assert_string_equal(e.text, "it failed");
}

static void openssl_many_entries_are_bounded(void **state)
{
    struct err e = {0};

    (void)state;
    for (int i = 0; i < 15; i++)
        ERR_raise_data(ERR_LIB_SSL, ERR_R_PASSED_NULL_PARAMETER, "number %d", i);
    err_ssl(&e, "x");
    assert_says(&e, "number 0");
    assert_says(&e, "number 2");
    assert_null(strstr(e.text, "number 3"));
    assert_int_equal(ERR_peek_error(), 0);
    ERR_raise(ERR_LIB_SSL, ERR_R_MALLOC_FAILURE);
    assert_int_equal(err_ssl(&e, "x"), -ENOMEM);
}

static void libuv_codes(void **state)
{
    struct err e = {0};

    (void)state;
    assert_int_equal(err_uv(&e, UV_ECONNREFUSED, "to %s", "db"), -ECONNREFUSED);
    assert_string_equal(e.text, "to db: connection refused");
    assert_int_equal(err_uv(&e, UV_EOF, "read"), -EIO);
    assert_string_equal(e.text, "read: end of file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_queue_is_told_and_emptied),
        cmocka_unit_test(openssl_without_an_entry),
        cmocka_unit_test(openssl_many_entries_are_bounded),
        cmocka_unit_test(libuv_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
