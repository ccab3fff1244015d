-- Sessions as users write them by hand inside nginx: tokens in a shared dictionary, a
-- lock in another one, and the refresh on cosockets. The lock does what lua-resty-lock
-- does, which Debian has not: shdict:add, and ngx.sleep in growing steps.
-- Does not know: what an intent is. A refresh whose answer is lost loses the session.

local cjson = require "cjson"

local by_hand = {}

local LEEWAY = 60 -- seconds before the end of a session
local LOCKED, LONGEST_WAIT = 30, 5 -- seconds
local FIRST_STEP, LONGEST_STEP = 0.001, 0.5
local POOL = 100 -- connections to keep

local function lock(id)
  local step, waited = FIRST_STEP, 0
  while not ngx.shared.locks:add(id, true, LOCKED) do
    if waited >= LONGEST_WAIT then return nil, "timeout" end
    ngx.sleep(step)
    waited, step = waited + step, math.min(2 * step, LONGEST_STEP)
  end
  return true
end

local function request_text(config, refresh_token)
  local body = "grant_type=refresh_token&refresh_token=" .. ngx.escape_uri(refresh_token)
  local secret = ngx.encode_base64(ngx.escape_uri(config.client_id) .. ":" .. ngx.escape_uri(config.client_secret))
  return table.concat({
    "POST " .. config.path .. " HTTP/1.1",
    "Host: 127.0.0.1:" .. config.port,
    "Authorization: Basic " .. secret,
    "Content-Type: application/x-www-form-urlencoded",
    "Content-Length: " .. #body,
    "", body,
  }, "\r\n")
end

local function post(config, refresh_token)
  local socket = ngx.socket.tcp()
  socket:settimeouts(3000, 10000, 10000)
  assert(socket:connect("127.0.0.1", config.port, { pool_size = POOL }))
  assert(socket:send(request_text(config, refresh_token)))
  assert(assert(socket:receive()):find("200", 1, true))
  local length
  while true do
    local line = assert(socket:receive())
    if line == "" then break end
    length = length or tonumber(line:lower():match "^content%-length:%s*(%d+)")
  end
  local body = assert(socket:receive(length))
  assert(socket:setkeepalive(60000, POOL))
  return cjson.decode(body)
end

local function save(id, tokens)
  tokens.expires_at = ngx.time() + tokens.expires_in
  assert(ngx.shared.by_hand:safe_set(id, cjson.encode(tokens)))
  return tokens
end

local function read(id)
  local text = ngx.shared.by_hand:get(id)
  return text and cjson.decode(text)
end

function by_hand.add(id, tokens) save(id, tokens) end

--- The session, refreshed if it ends soon, or if `is_forced`.
function by_hand.get(config, id, is_forced)
  local tokens = read(id)
  if not tokens or tokens.expires_at > ngx.time() + LEEWAY and not is_forced then return tokens end
  assert(lock(id))
  local known = tokens.access_token
  tokens = read(id)
  if tokens.access_token == known then
    local ok, answer = pcall(post, config, tokens.refresh_token)
    tokens = ok and save(id, answer)
  end
  ngx.shared.locks:delete(id)
  return tokens
end

return by_hand
