-- The other side of the comparison: the same POST on nginx's own sockets, as one would
-- write it by hand. Connections are kept, the answer is read by its Content-Length and
-- decoded with lua-cjson. No tries, no limits, no checks.

local cjson = require "cjson"
local version = require "grid.version"

local cosocket = {}

local PATH = "/api/grid/v1/auth/refresh-session"
local POOL = 1000 -- connections to keep

-- nginx has a random number of 16 bytes for each request.
local function uuid()
  local id = ngx.var.request_id
  return table.concat({ id:sub(1, 8), id:sub(9, 12), id:sub(13, 16), id:sub(17, 20), id:sub(21) }, "-")
end

local function request_text(config)
  local body = '{"encryption_public_key":"' .. config.key .. '","kms_payload":' .. config.payload .. "}"
  return table.concat({
    "POST " .. PATH .. " HTTP/1.1",
    "Host: 127.0.0.1:" .. config.port,
    "User-Agent: lua-grid/" .. version,
    "Authorization: Bearer " .. config.api_key,
    "Accept: application/json",
    "x-grid-environment: sandbox",
    "Content-Type: application/json",
    "x-idempotency-key: " .. uuid(),
    "Content-Length: " .. #body,
    "", body,
  }, "\r\n")
end

local function read_headers(socket)
  local headers = {}
  while true do
    local line = assert(socket:receive())
    if line == "" then return headers end
    local name, value = line:match "^([^:]+):%s*(.*)$"
    headers[name:lower()] = value
  end
end

--- -> status, headers, body as a table. Raises what goes wrong.
function cosocket.refresh(config)
  local socket = ngx.socket.tcp()
  socket:settimeouts(3000, 60000, 60000)
  assert(socket:connect("127.0.0.1", config.port, { pool_size = POOL }))
  assert(socket:send(request_text(config)))
  local status = tonumber(assert(socket:receive()):match "^HTTP/1.1 (%d+)")
  local headers = read_headers(socket)
  local body = assert(socket:receive(tonumber(headers["content-length"])))
  assert(socket:setkeepalive(60000, POOL))
  return status, headers, cjson.decode(body)
end

return cosocket
