-- The keeper of the soak, the same in its processes and in the one that starts them.
-- Does not know: what it is used for.

local grid = require "grid"

local keepers = {}

keepers.SEAL_KEYS = { ("k"):rep(32) }

--- `given`: url, reuse.
function keepers.exchange(given)
  return grid.exchange.oauth2 {
    token_url = given.url, client_id = "app", client_secret = "canary-secret +:%&=", reuse = given.reuse,
    idempotency_header = "Idempotency-Key",
  }
end

--- `given`: timeout, unsealed. `options`: store, exchange, on_event.
function keepers.new(given, options)
  options.timeout = tonumber(given.timeout)
  options.seal_keys = not given.unsealed and keepers.SEAL_KEYS or nil
  return grid.keeper(options)
end

return keepers
