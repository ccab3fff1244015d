-- The same request for each client: files of $BENCH_DIR and the variables of drive.lua.
-- The payload is a text, as a program stores it: Debian's lua-cjson would send its empty
-- arrays as objects, which the service refuses. Each call builds its body, and has an
-- idempotency key of its own.
-- Does not know: how a client sends it.

local json = require "cjson"

local PATH = "/api/grid/v1/auth/refresh-session"

local request = { base_url = os.getenv "BENCH_URL", url = os.getenv "BENCH_URL" .. PATH, path = PATH,
  api_key = os.getenv "BENCH_API_KEY" }

function request.read(name)
  local file = assert(io.open(os.getenv "BENCH_DIR" .. "/" .. name))
  local text = file:read "*a"
  file:close()
  return text
end

request.key = request.read "key"
request.payload = request.read "payload"

function request.body()
  return ('{"encryption_public_key":%s,"kms_payload":%s}'):format(json.encode(request.key), request.payload)
end

local function digits() return ("%04x"):format(math.random(0, 0xffff)) end

--- Names are in lower case, as lua-http wants them.
function request.headers()
  return {
    authorization = "Bearer " .. request.api_key,
    accept = "application/json",
    ["content-type"] = "application/json",
    ["x-grid-environment"] = "sandbox",
    ["x-idempotency-key"] = ("%s%s-%s-4%s-8%s-%s%s%s"):format(digits(), digits(), digits(), digits():sub(2),
      digits():sub(2), digits(), digits(), digits()),
  }
end

--- As lines "name: value".
function request.lines()
  local lines = {}
  for name, value in pairs(request.headers()) do lines[#lines + 1] = name .. ": " .. value end
  return lines
end

return request
