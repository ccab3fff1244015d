#include "text/refresh.h"

#include "text/json.h"

static bool check_text(grid_slice payload, grid_error *err)
{
    grid_error cause;
    grid_slice session, turnkey;

    if (!grid_json_validate(payload, &cause))
        return grid_error_set(err, GRID_REQUEST, "bad_payload", "kms_payload is not valid JSON: %.120s",
                              cause.message);
    if (grid_json_member(payload, "session", &session) &&
        grid_json_member(session, "Turnkey", &turnkey) && grid_json_type(turnkey) != GRID_JSON_NULL)
        return grid_error_set(err, GRID_REQUEST, "turnkey_session",
                              "kms_payload holds a Turnkey session, which the service cannot refresh");
    return true;
}

static bool check_payload(grid_slice payload, bool is_checked, grid_error *err)
{
    if (!is_checked && !check_text(payload, err))
        return false;
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
