-- The gateway of nginx.conf: log-in, sessions in a shared dict, and who may pass.
--
-- A session is renewed before its key expires, in a timer: a client that goes away cannot come between the answer with the new
-- tokens and the place where they are stored. One worker at a time renews a session; all who need it meanwhile wait for the
-- dict to show the new one. This is the part to replace by the session keeper once it is there: it writes down what it is about
-- to spend, survives a crash at any point, and shares sessions between machines. Here a crash between answer and store loses one.

local cjson = require("cjson.safe").new()
local grid = require "grid"

local gateway = {}

local RENEW_BEFORE = 60   -- seconds before the key expires
local CALL_TIMEOUT = 4    -- of one call to Grid, its retries included
local LOCK_TIME = CALL_TIMEOUT + 2
local PAUSE = 1           -- after a renewal that failed, nobody tries again for so long,
local LONG_PAUSE = 60     -- or for so long, when Grid has refused it
local PATIENCE = 5        -- a request waits so long for a session to be renewed
local LOGIN_TIME = 15 * 60

local client
local sessions

--- In init_by_lua. `options` are those of grid.new.
function gateway.init(options)
  options.timeout = CALL_TIMEOUT
  client = grid.new(options)
  sessions = ngx.shared.grid_sessions
end

-- ---- Records ------------------------------------------------------------------------------------

local function load(kind, id)
  local text = id and sessions:get(kind .. id)
  return text and cjson.decode(text)
end

-- `safe_set` fails where `set` would throw out somebody else's session.
local function store(kind, id, record, seconds)
  local ok, problem = sessions:safe_set(kind .. id, cjson.encode(record), seconds or 0)
  if not ok then ngx.log(ngx.ERR, "a session was not stored: ", problem) end
  return ok
end

local function random_id()
  local source = assert(io.open("/dev/urandom", "rb"))
  local bytes = source:read(16)
  source:close()
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local function seconds_left(record)
  return record.expires - ngx.now()
end

-- ---- Renewal ------------------------------------------------------------------------------------

-- The lock has an owner, so that who comes late does not free the lock of the next one.
local function lock(id)
  local owner = random_id()
  return sessions:add("lock:" .. id, owner, LOCK_TIME) and owner
end

local function unlock(id, owner, pause)
  if sessions:get("lock:" .. id) ~= owner then return end
  if pause then sessions:expire("lock:" .. id, pause) else sessions:delete("lock:" .. id) end
end

-- First of all the new tokens are stored, since the old ones may be spent.
local function adopt(id, address, res, exported)
  return store("session:", id, {
    kms_payload = res.kms_payload_json,
    keys = exported,
    expires = res.expires_at,
    address = address,
  })
end

-- After an unknown outcome the next try must send the same key and body again: only so can the service tell that it is the
-- same call.
-- A refusal is noted, but nothing is thrown away: a wrong API key is refused as well.
local function remember_failure(id, record, err, exported)
  record.refused = err.kind == "auth"
  if err.outcome == "unknown" and not record.again then
    record.again = { idempotency_key = err.idempotency_key, keys = exported }
  end
  store("session:", id, record)
  return record.refused and LONG_PAUSE or PAUSE
end

local function renew(_, id, owner)
  local record = load("session:", id)
  if not record then return unlock(id, owner) end
  local again = record.again or {}
  local keys = grid.keypair(again.keys)
  local public_key, exported = keys.public_key, keys:export()
  keys:close()
  local res, err = client:refresh_session(
    { encryption_public_key = public_key, kms_payload = record.kms_payload },
    { idempotency_key = again.idempotency_key })
  if res then
    adopt(id, record.address, res, exported)
    return unlock(id, owner)
  end
  ngx.log(ngx.ERR, "a session was not renewed: ", tostring(err)) -- says no secret
  unlock(id, owner, remember_failure(id, record, err, exported))
end

local function begin_renewal(id)
  local owner = lock(id)
  if not owner then return end
  local ok, problem = ngx.timer.at(0, renew, id, owner)
  if ok then return end
  unlock(id, owner)
  ngx.log(ngx.ERR, "no timer to renew a session: ", problem)
end

-- A record whose key is good now; nil if the caller must log in; nil and a word if it was not renewed in time.
local function usable_session(id)
  local record = load("session:", id)
  local deadline = ngx.now() + PATIENCE
  while record and seconds_left(record) < RENEW_BEFORE do
    begin_renewal(id)
    if seconds_left(record) > 0 then return record end
    if record.refused then return nil end
    if ngx.now() >= deadline then return nil, "busy" end
    ngx.sleep(0.02)
    record = load("session:", id)
  end
  return record
end

-- ---- Locations ----------------------------------------------------------------------------------

local function answer(status, value)
  ngx.status = status
  ngx.header.content_type = "application/json"
  ngx.print(cjson.encode(value))
  return ngx.exit(status)
end

local function refuse(err)
  local status = err.outcome == "final" and err.status or 503
  return answer(status, { error = err.code })
end

local function set_cookie(name, value, seconds)
  ngx.header.set_cookie = ("%s=%s; Path=/; Max-Age=%d; HttpOnly; Secure; SameSite=Lax"):format(name, value, seconds)
end

local function posted(field)
  ngx.req.read_body()
  local body = cjson.decode(ngx.req.get_body_data() or "")
  local value = ngx.req.get_method() == "POST" and type(body) == "table" and body[field]
  if type(value) ~= "string" or value == "" then return answer(400, { error = "POST a JSON object with " .. field }) end
  return value
end

--- content_by_lua of /login
function gateway.login()
  local email = posted "email"
  local res, err = client:init_auth { email = email }
  if not res then return refuse(err) end
  local keys, id = grid.keypair(), random_id()
  if not store("login:", id, { email = email, otp_id = res.data.otp_id, keys = keys:export() }, LOGIN_TIME) then
    return answer(503, { error = "full" })
  end
  set_cookie("grid_login", id, LOGIN_TIME)
  return answer(200, { otp_sent = true })
end

--- content_by_lua of /login/verify
function gateway.verify()
  local otp_code, begun = posted "otp_code", load("login:", ngx.var.cookie_grid_login)
  if not begun then return answer(401, { error = "begin with /login" }) end
  local keys = grid.keypair(begun.keys)
  local res, err = client:complete_auth {
    email = begun.email, otp_code = otp_code, otp_id = begun.otp_id, encryption_public_key = keys.public_key,
  }
  if not res then return refuse(err) end
  local id = random_id()
  if not adopt(id, res.data.address, res, begun.keys) then
    return answer(503, { error = "full" })
  end
  sessions:delete("login:" .. ngx.var.cookie_grid_login)
  set_cookie("grid_session", id, 30 * 24 * 3600)
  return answer(200, { address = res.data.address })
end

--- access_by_lua of what is behind the gateway. Who passes is told to it in headers, which nobody else can set.
function gateway.access()
  ngx.req.clear_header "X-Grid-Address"
  ngx.req.clear_header "X-Grid-Key-Expires"
  local record, problem = usable_session(ngx.var.cookie_grid_session)
  if problem then
    ngx.header.retry_after = PAUSE
    return answer(503, { error = "the session is being renewed" })
  end
  if not record then return answer(401, { error = "log in first" }) end
  ngx.req.set_header("X-Grid-Address", record.address)
  ngx.req.set_header("X-Grid-Key-Expires", record.expires)
end

return gateway
