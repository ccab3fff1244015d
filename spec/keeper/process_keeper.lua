-- The keeper of a process of the fault matrix or of the soak, the same in the one that
-- starts such processes.
-- Does not know: what it is used for.

local grid = require "grid"

local process_keeper = {}

process_keeper.SEAL_KEYS = { ("k"):rep(32) }

--- The words NAME=VALUE of a command line, by name.
function process_keeper.given(words)
  local given = {}
  for _, word in ipairs(words) do
    local name, value = word:match "^([^=]+)=(.*)$"
    given[name] = value
  end
  return given
end

--- The same from tables of words by name.
function process_keeper.words(...)
  local words = {}
  for _, given in ipairs { ... } do
    for name, value in pairs(given) do words[#words + 1] = name .. "=" .. tostring(value) end
  end
  return words
end

--- `given`: url, reuse, reuse_seconds, ca_file.
function process_keeper.exchange(given)
  return grid.exchange.oauth2 {
    token_url = given.url, client_id = "app", client_secret = "canary-secret +:%&=", reuse = given.reuse, ca_file = given.ca_file,
    reuse_seconds = tonumber(given.reuse_seconds), idempotency_header = "Idempotency-Key",
  }
end

--- The store in the Redis at the address `given.redis`, whose port is in the file
--- `given.port` (default: "port") of the folder, and may change.
function process_keeper.redis(given)
  local idle, idle_port = {}, nil
  return grid.store.redis {
    connect = function()
      local port = io.open(given.folder .. "/" .. (given.port or "port")):read "*a"
      if port ~= idle_port then idle, idle_port = {}, port end
      return table.remove(idle) or require("spec.support.redis").connect(tonumber(port), given.redis)
    end,
    release = function(client) idle[#idle + 1] = client end,
  }
end

--- `given`: timeout, unsealed. `options`: store, exchange, on_event.
function process_keeper.new(given, options)
  options.timeout = tonumber(given.timeout)
  options.seal_keys = not given.unsealed and process_keeper.SEAL_KEYS or nil
  return grid.keeper(options)
end

return process_keeper
