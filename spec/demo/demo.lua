-- `make demo`: a session is refreshed, and shown before and after.
--
-- Without more it starts the sandbox server, logs in there, refreshes, and ends the sandbox. `make demo SESSION=file`, with the API
-- key in $GRID_API_KEY, refreshes a session file of `grid login` for real, at $GRID_BASE_URL if that is set. It asks nothing and
-- prints no secret. Ends with 0: refreshed; 1: not refreshed; 2: asked for wrongly.

local description = require "grid.cli.description"
local grid = require "grid"
local login = require "grid.cli.command.login"
local refresh = require "grid.cli.command.refresh"
local sandbox = require "spec.support.sandbox"
local screen = require("grid.cli.output").new(false)
local service = require "grid.cli.service"
local session_file = require "grid.cli.session_file"
local stop = require "grid.cli.exit"
local times = require "grid.cli.times"

local SERVICE_ENDS = 1797332400 -- 2026-12-15 11:00 UTC

-- ---- Before and after -------------------------------------------------------------------------

local function row(...)
  local text = ("%-20s%-38s%-38s%s"):format(...):gsub(" +$", "")
  screen:line("%s", text)
end

local function expiry(fact)
  return fact.expires_at and times.text(fact.expires_at) or "unknown"
end

-- Tokens and keys as fingerprints: another fingerprint is another generation.
local function compare(before, after)
  screen:line ""
  row("", "before", "after", "")
  for _, name in ipairs { "authorization_key", "user_token", "access_token", "refresh_token" } do
    local old, new = before[name] or {}, after[name] or {}
    local is_same = old.fingerprint == new.fingerprint
    row(name:gsub("_", " "), old.fingerprint or "none", new.fingerprint or "none", is_same and "as it was" or "new")
    if old.expires_at or new.expires_at then row("  expires", expiry(old), expiry(new), "") end
  end
  screen:line ""
end

-- ---- The refresh, of one session file ---------------------------------------------------------

local function refresh_file(client, path, key_path)
  local key_text = refresh.key_text { key = key_path }
  local session = stop.unless(session_file.open(path))
  if not session.private_key and not key_text then
    stop.usage("%s holds no private key: name the file that does, with KEY=file", path)
  end
  local pair = stop.unless(session:pair(key_text))
  screen:line("%-20s%s", "session file", path)
  local before = description.facts(session, pair)

  local res = refresh.renew(client, session, pair, screen)

  compare(before, description.facts(session, pair))
  screen:rows {
    { "request id", res.request_id or "none given" },
    { "idempotency key", res.idempotency_key },
    { "status, tries", ("%d, %d"):format(res.status, res.attempts) },
  }
end

-- ---- On the sandbox ---------------------------------------------------------------------------

local EMAIL = "demo@example.com"

local function log_in(client, server, path)
  local pair = stop.unless(grid.keypair())
  stop.unless(client:init_auth { email = EMAIL })
  local otp_code = server:control("GET", "/otp?email=" .. EMAIL).otp_code
  local res = stop.unless(client:complete_auth { email = EMAIL, otp_code = otp_code, encryption_public_key = pair.public_key })
  login.save(login.session_of(res, pair), login.begin(path))
end

local function on_sandbox(server)
  screen:line("%-20s%s, process %s", "sandbox", server.https, server.pid)
  local client = grid.new {
    base_url = server.https, ca_file = server.ca, api_key = server.api_key, environment = "sandbox", proxy = "",
  }
  local path = server.dir .. "/session.json"
  log_in(client, server, path)
  screen:line("%-20s%s, with the one-time password that the sandbox tells", "log-in", EMAIL)

  -- As if the user token had expired, so that the refresh token is spent and a new one issued.
  server:set { tier = 2, key_lifetime = 900, token_lifetime = 3600 }
  refresh_file(client, path)
  client:close()
end

local function sandbox_demo()
  screen:line "lua-grid: a session is refreshed, on the sandbox server\n"
  local server = sandbox.start { key_lifetime = 60, token_lifetime = 30 }
  local ok, problem = pcall(on_sandbox, server)
  server:stop()
  if not ok then error(problem, 0) end
  screen:line "\nThe sandbox has ended, and its files with it."
end

-- ---- For real ---------------------------------------------------------------------------------

local function real_demo(path, key_path)
  if (os.getenv "GRID_API_KEY" or "") == "" then stop.usage "a session file needs an API key too: set GRID_API_KEY" end
  local client = service.client {}
  screen:line "lua-grid: a session is refreshed, for real\n"
  screen:line("Grid switches this endpoint off: %s.", times.text(SERVICE_ENDS))
  screen:line("%-20s%s", "service", tostring(client):gsub("^grid%.client: ", ""))
  refresh_file(client, path, key_path)
  service.heed_interrupt()
end

-- ---- Which of the two -------------------------------------------------------------------------

local function given(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

local ok, problem = pcall(function()
  local path = given "GRID_SESSION_FILE"
  if path then real_demo(path, given "GRID_KEY_FILE") else sandbox_demo() end
end)
local ended = ok and { code = 0 } or stop.of(problem)
if ended.message then screen:fail(ended.message) end
os.exit(ended.code, true)
