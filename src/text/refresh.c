#define _GNU_SOURCE /* memmem */
#include "text/refresh.h"

#include "text/json.h"

#include <string.h>

/* Without the name and without a backslash, which could begin an escape of its letters, a
 * payload has no such member: its members are not searched. */
static bool may_hold(grid_slice payload, const char *name)
{
    return memmem(payload.data, payload.size, name, strlen(name)) || memchr(payload.data, '\\', payload.size);
}

static bool is_turnkey(grid_slice payload)
{
    static const char name[] = "Turnkey";
    grid_slice session, turnkey;

    return may_hold(payload, name) && grid_json_member(payload, "session", &session) &&
           grid_json_member(session, name, &turnkey) && grid_json_type(turnkey) != GRID_JSON_NULL;
}

static bool check_text(grid_slice payload, grid_error *err)
{
    grid_error cause;

    if (grid_json_skip_mark(payload).size < payload.size)
        return grid_error_set(err, GRID_REQUEST, "bad_payload",
                              "kms_payload begins with a byte order mark, which must not be sent: remove these 3 bytes");
    if (!grid_json_validate(payload, &cause))
        return grid_error_set(err, GRID_REQUEST, "bad_payload", "kms_payload is not valid JSON: %.120s",
                              cause.message);
    if (is_turnkey(payload))
        return grid_error_set(err, GRID_REQUEST, "turnkey_session",
                              "kms_payload holds a Turnkey session, which the service cannot refresh");
    return true;
}

/* Does the caller give the text of a session file, which holds a private key, in place of
 * its kms_payload? */
static bool holds_private_key(grid_slice payload)
{
    static const char name[] = "private_key";
    grid_slice value;

    return may_hold(payload, name) && grid_json_member(payload, name, &value);
}

static bool check_payload(grid_slice payload, bool is_checked, grid_error *err)
{
    if (!is_checked && !check_text(payload, err))
        return false;
    if (holds_private_key(payload))
        return grid_error_set(err, GRID_REQUEST, "private_key", "kms_payload holds a private key, which must not be sent");
    if (grid_json_type(payload) != GRID_JSON_OBJECT_BEGIN)
        return grid_error_set(err, GRID_REQUEST, "bad_payload", "kms_payload is not a JSON object");
    return true;
}

static bool write_members(grid_slice key, const grid_slice *payload, grid_buffer *out, grid_error *err)
{
    return grid_buffer_append_text(out, "{\"encryption_public_key\":", err) &&
           grid_json_quote(key, out, err) &&
           (!payload || (grid_buffer_append_text(out, ",\"kms_payload\":", err) &&
                         grid_buffer_append(out, payload->data, payload->size, err))) &&
           grid_buffer_append_text(out, "}", err);
}

bool grid_refresh_body(grid_slice encryption_public_key, const grid_slice *kms_payload, bool is_checked,
                       grid_buffer *out, grid_error *err)
{
    if (kms_payload && !check_payload(*kms_payload, is_checked, err))
        return false;
    if (write_members(encryption_public_key, kms_payload, out, err))
        return true;
    err->kind = GRID_REQUEST;
    return false;
}
