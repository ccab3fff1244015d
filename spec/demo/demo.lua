-- `make demo`: refreshes a session, and shows it before and after.
-- Does not know: how a session is refreshed, which is in grid.cli.
--
-- Without variables it starts the sandbox server, logs in there, refreshes, and ends the
-- sandbox. `make demo SESSION=file`, with the API key in $GRID_API_KEY, refreshes a
-- session file of `grid login` at $GRID_BASE_URL, or at Grid itself. It asks no question
-- and prints no secret. Exit code: 0: refreshed; 1: not refreshed; 2: usage error.

local authentication = require "grid.cli.authentication"
local description = require "grid.cli.description"
local exit = require "grid.cli.exit"
local grid = require "grid"
local output = require("grid.cli.output").new(false)
local refresh = require "grid.cli.command.refresh"
local sandbox = require "spec.support.sandbox"
local service = require "grid.cli.service"
local session_file = require "grid.cli.session_file"
local session_key = require "grid.cli.session_key"
local times = require "grid.cli.times"

local SERVICE_ENDS = 1797332400 -- 2026-12-15 11:00 UTC

-- ---- Before and after -----------------------------------------------------------------

local function row(...)
  local text = ("%-20s%-38s%-38s%s"):format(...):gsub(" +$", "")
  output:line("%s", text)
end

local function expiry(fact)
  return fact.expires_at and times.text(fact.expires_at) or "unknown"
end

-- Tokens and keys are shown as fingerprints.
local function compare(before, after)
  output:line ""
  row("", "before", "after", "")
  for _, name in ipairs { "authorization_key", "user_token", "access_token", "refresh_token" } do
    local old, new = before[name] or {}, after[name] or {}
    local is_same = old.fingerprint == new.fingerprint
    row(name:gsub("_", " "), old.fingerprint or "none", new.fingerprint or "none", is_same and "unchanged" or "new")
    if old.expires_at or new.expires_at then row("  expires", expiry(old), expiry(new), "") end
  end
  output:line ""
end

-- ---- The refresh, of one session file -------------------------------------------------

local function refresh_file(client, path, key_path)
  local key_text = session_key.text { key = key_path }
  local session = exit.assert(session_file.open(path))
  if not session.private_key and not key_text then
    exit.usage("%s holds no private key: name the file that does, with KEY=file", path)
  end
  local pair = exit.assert(session:pair(key_text))
  output:line("%-20s%s", "session file", path)
  local before = description.facts(session, pair)

  local res = refresh.refresh_session(client, session, pair, output, { key = key_path })

  compare(before, description.facts(session, pair))
  output:rows {
    { "request id", res.request_id or "none given" },
    { "idempotency key", res.idempotency_key },
    { "status, attempts", ("%d, %d"):format(res.status, res.attempts) },
  }
end

-- ---- On the sandbox -------------------------------------------------------------------

local EMAIL = "demo@example.com"

local function log_in(client, server, path)
  local pair = exit.assert(grid.keypair())
  exit.assert(client:init_auth { email = EMAIL })
  local otp_code = server:control("GET", "/otp?email=" .. EMAIL).otp_code
  local res = exit.assert(client:complete_auth {
    email = EMAIL, otp_code = otp_code, encryption_public_key = pair.public_key,
  })
  authentication.save(res, pair, authentication.begin(path))
end

local function on_sandbox(server)
  output:line("%-20s%s, process %s", "sandbox", server.https, server.pid)
  local client = grid.new {
    base_url = server.https, ca_file = server.ca, api_key = server.api_key, environment = "sandbox", proxy = "",
  }
  local path = server.dir .. "/session.json"
  log_in(client, server, path)
  output:line("%-20s%s, with the one-time password that the sandbox tells", "log-in", EMAIL)

  -- The refresh spends the refresh token, as if the user token had expired.
  server:set { tier = 2, key_lifetime = 900, token_lifetime = 3600 }
  refresh_file(client, path)
  client:close()
end

local function sandbox_demo()
  output:line "lua-grid: a session is refreshed, on the sandbox server\n"
  local server = sandbox.start { key_lifetime = 60, token_lifetime = 30 }
  local ok, problem = pcall(on_sandbox, server)
  server:stop()
  if not ok then error(problem, 0) end
  output:line "\nThe sandbox has ended; its files are removed."
end

-- ---- For real -------------------------------------------------------------------------

local function real_demo(path, key_path)
  if (os.getenv "GRID_API_KEY" or "") == "" then exit.usage "a session file needs an API key too: set GRID_API_KEY" end
  local client = service.client {}
  output:line "lua-grid: a session is refreshed at the service\n"
  output:line("Grid switches this endpoint off: %s.", times.text(SERVICE_ENDS))
  output:line("%-20s%s", "service", tostring(client):gsub("^grid%.client: ", ""))
  refresh_file(client, path, key_path)
  service.exit_if_interrupted()
end

-- ---- Which of the two -----------------------------------------------------------------

local function given(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

local ok, problem = pcall(function()
  local path = given "GRID_SESSION_FILE"
  if path then real_demo(path, given "GRID_KEY_FILE") else sandbox_demo() end
end)
local ended = ok and { code = 0 } or exit.from(problem)
if ended.message then output:fail(ended) end
os.exit(ended.code, true)
