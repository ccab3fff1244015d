-- The gateway of nginx.conf: log-in, sessions in a shared dict, access control. A session
-- is refreshed before its key expires, in a timer, so that the end of the client's
-- request cannot prevent that the new tokens are stored. One worker at a time refreshes a
-- session; other requests poll the dict for the new one.
-- Owns: the records in the dict, and their locks.
-- Does not know: which refreshes may be repeated, which is in grid.api.session.
--
-- A crash between the answer and the store loses a session here. Where that matters, use
-- the keeper (doc/keeper.md), as spec/examples/openid does: it records a refresh before
-- it is sent.

local cjson = require("cjson.safe").new()
local grid = require "grid"
local session_rules = require "grid.api.session"

local gateway = {}

-- Seconds.
local REFRESH_BEFORE = 60 -- the key expires
local CALL_TIMEOUT = 4    -- of one call to Grid, its retries included
local LOCK_TIME = CALL_TIMEOUT + 2
local PAUSE = 1           -- after a refresh that failed
local LONG_PAUSE = 60     -- after a refresh that Grid refused
local LONGEST_WAIT = 5    -- of a request, for the refresh of its session
local LOGIN_TIME = 15 * 60
local SESSION_TIME = 30 * 24 * 3600 -- after the log-in

local RESERVED = 1 / 16 -- of the dict: for changes of the sessions there are, and their locks

-- Browsers take __Host- cookies from this very host only (RFC 6265bis section 4.1.3.2).
local LOGIN, SESSION = "__Host-grid_login", "__Host-grid_session"

local client
local sessions

--- In init_by_lua. `options` are those of grid.new.
function gateway.init(options)
  options.timeout = CALL_TIMEOUT
  client = grid.new(options)
  sessions = ngx.shared.grid_sessions
end

-- ---- Records --------------------------------------------------------------------------

local function load(kind, id)
  local text = id and sessions:get(kind .. id)
  return text and cjson.decode(text)
end

-- A record is kept until its time `ends`. Unlike `set` and `add`, `safe_set` and
-- `safe_add` drop no other record of a full dict.
local function store(kind, id, record)
  local ok, problem = sessions:safe_set(kind .. id, cjson.encode(record), math.max(record.ends - ngx.now(), 1))
  if not ok then ngx.log(ngx.ERR, "a session was not stored: ", problem) end
  return ok
end

-- The dict keeps the records that have expired until their space is asked for.
local function has_room()
  local reserved = RESERVED * sessions:capacity()
  if sessions:free_space() <= reserved then sessions:flush_expired() end
  return sessions:free_space() > reserved
end

local function random_id()
  local source = assert(io.open("/dev/urandom", "rb"))
  local bytes = source:read(16)
  source:close()
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

-- Does the key of a record expire within so many seconds?
local function expires_within(seconds, record)
  return session_rules.is_expired(record.expires, ngx.now() + seconds)
end

-- ---- Refresh --------------------------------------------------------------------------

-- The lock holds the id of its owner: an owner whose lock has expired must not release
-- the lock of the next one.
local function lock(id)
  local owner = random_id()
  return sessions:safe_add("lock:" .. id, owner, LOCK_TIME) and owner
end

local function unlock(id, owner, pause)
  if sessions:get("lock:" .. id) ~= owner then return end
  if pause then sessions:expire("lock:" .. id, pause) else sessions:delete("lock:" .. id) end
end

local function store_session(id, address, ends, res, exported)
  return store("session:", id, {
    kms_payload = res.kms_payload_json,
    keys = exported,
    expires = res.expires_at,
    address = address,
    ends = ends,
  })
end

-- After an unknown outcome the next refresh sends the same idempotency key and body, by
-- which the service recognises a repetition. A refused session is kept: a wrong API key
-- is refused in the same way. -> seconds until the next refresh
local function store_failure(id, record, err, exported)
  record.refused = err.kind == "auth"
  local idempotency_key = session_rules.repeat_key(err)
  if idempotency_key and not record.again then
    record.again = { idempotency_key = idempotency_key, keys = exported }
  end
  store("session:", id, record)
  return record.refused and LONG_PAUSE or PAUSE
end

local function refresh(_, id, owner)
  local record = load("session:", id)
  -- Another worker may have refreshed the session before this one took the lock.
  if not record or not expires_within(REFRESH_BEFORE, record) then return unlock(id, owner) end
  local again = record.again or {}
  local keys = grid.keypair(again.keys)
  local public_key, exported = keys.public_key, keys:export()
  keys:close()
  local res, err = client:refresh_session(
    { encryption_public_key = public_key, kms_payload = record.kms_payload },
    { idempotency_key = again.idempotency_key })
  if not load("session:", id) then return unlock(id, owner) end -- the user has logged out
  if res then
    store_session(id, record.address, record.ends, res, exported) -- at once: the old tokens may be spent
    return unlock(id, owner)
  end
  ngx.log(ngx.ERR, "a session was not refreshed: ", tostring(err)) -- holds no secret
  unlock(id, owner, store_failure(id, record, err, exported))
end

local function begin_refresh(id)
  local owner = lock(id)
  if not owner then return end
  local ok, problem = ngx.timer.at(0, refresh, id, owner)
  if ok then return end
  unlock(id, owner)
  ngx.log(ngx.ERR, "no timer to refresh a session: ", problem)
end

-- -> a record whose key is valid | nil: log in | nil, "busy": not refreshed in time
local function usable_session(id)
  local record = load("session:", id)
  local deadline = ngx.now() + LONGEST_WAIT
  while record and expires_within(REFRESH_BEFORE, record) do
    begin_refresh(id)
    if not expires_within(0, record) then return record end
    if record.refused then return nil end
    if ngx.now() >= deadline then return nil, "busy" end
    ngx.sleep(0.02)
    record = load("session:", id)
  end
  return record
end

-- ---- Locations ------------------------------------------------------------------------

local function answer(status, value)
  ngx.status = status
  ngx.header.content_type = "application/json"
  ngx.print(cjson.encode(value))
  return ngx.exit(status)
end

local function refuse(err)
  local status = err.outcome == "final" and err.status or err.code == "bad_value" and 400 or 503 -- no UTF-8
  return answer(status, { error = err.code })
end

-- nginx's $cookie_NAME ignores case, and finds NAME in the cookie "a=1,NAME=2": another
-- host of the domain can set those.
local function cookie_of(name)
  return ("; " .. (ngx.var.http_cookie or "")):match("; *" .. name:gsub("%W", "%%%0") .. "=([^;]*)")
end

local function set_cookie(name, value, seconds)
  ngx.header.set_cookie = ("%s=%s; Path=/; Max-Age=%d; HttpOnly; Secure; SameSite=Lax"):format(name, value, seconds)
end

-- A page of another site can send a form, whose answer sets cookies, or removes them.
local function check_request()
  local site = ngx.var.http_sec_fetch_site -- nil: not a browser, or an old one
  if ngx.req.get_method() ~= "POST" then return answer(405, { error = "use POST" }) end
  if site and site ~= "same-origin" then return answer(403, { error = "the request is of another site" }) end
end

local function posted(field)
  check_request()
  ngx.req.read_body()
  local body = cjson.decode(ngx.req.get_body_data() or "")
  local value = type(body) == "table" and body[field]
  if type(value) ~= "string" or value == "" then return answer(400, { error = "POST a JSON object with " .. field }) end
  return value
end

--- content_by_lua of /login
function gateway.login()
  local email = posted "email"
  if not has_room() then return answer(503, { error = "full" }) end
  local res, err = client:init_auth { email = email }
  if not res then return refuse(err) end
  local keys, id = grid.keypair(), random_id()
  local record = { email = email, otp_id = res.data.otp_id, keys = keys:export(), ends = ngx.now() + LOGIN_TIME }
  if not store("login:", id, record) then
    return answer(503, { error = "full" })
  end
  set_cookie(LOGIN, id, LOGIN_TIME)
  return answer(200, { otp_sent = true })
end

--- content_by_lua of /login/verify
function gateway.verify()
  local otp_code, begun = posted "otp_code", load("login:", cookie_of(LOGIN))
  if not begun then return answer(401, { error = "begin with /login" }) end
  if not has_room() then return answer(503, { error = "full" }) end
  local keys = grid.keypair(begun.keys)
  local res, err = client:complete_auth {
    email = begun.email, otp_code = otp_code, otp_id = begun.otp_id, encryption_public_key = keys.public_key,
  }
  if not res then return refuse(err) end
  local id, old = random_id(), cookie_of(SESSION)
  if not store_session(id, res.data.address, ngx.now() + SESSION_TIME, res, begun.keys) then
    return answer(503, { error = "full" })
  end
  sessions:delete("login:" .. cookie_of(LOGIN))
  if old then sessions:delete("session:" .. old) end
  set_cookie(SESSION, id, SESSION_TIME)
  return answer(200, { address = res.data.address })
end

--- content_by_lua of /logout. With a POST of another site, which an old browser may not
--- name, comes no SameSite cookie.
function gateway.logout()
  check_request()
  local id = cookie_of(SESSION)
  if id then
    sessions:delete("session:" .. id)
    set_cookie(SESSION, "", 0)
  end
  return answer(200, { logged_out = true })
end

--- access_by_lua of the locations behind the gateway. The program learns the account from
--- headers, which a client cannot set, and not the cookies of the gateway.
function gateway.access()
  ngx.req.clear_header "X-Grid-Address"
  ngx.req.clear_header "X-Grid-Key-Expires"
  local record, problem = usable_session(cookie_of(SESSION))
  if problem then
    ngx.header.retry_after = PAUSE
    return answer(503, { error = "the session is being refreshed" })
  end
  if not record then return answer(401, { error = "log in first" }) end
  local rest = ("; " .. ngx.var.http_cookie):gsub("; *__Host%-grid_%l+=[^;]*", "")
  ngx.req.set_header("Cookie", rest:match "^; *(.+)$")
  ngx.req.set_header("X-Grid-Address", record.address)
  ngx.req.set_header("X-Grid-Key-Expires", record.expires)
end

return gateway
