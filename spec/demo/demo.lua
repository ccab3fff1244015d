-- `make demo`: a session is refreshed, and shown before and after.
--
-- Without more it starts the sandbox server, logs in there, refreshes, and ends the sandbox. With $GRID_API_KEY and a session file
-- (`make demo SESSION=file`, or $GRID_SESSION_FILE) it refreshes that session at $GRID_BASE_URL, else at the real service, and
-- replaces the file. It asks nothing and prints no secret. Ends with 0: refreshed; 1: not refreshed; 2: asked for wrongly.

local grid = require "grid"
local json = require "grid.json"
local keys = require "spec.demo.keys"
local payload = require "spec.demo.payload"
local sandbox = require "spec.support.sandbox"
local screen = require "spec.demo.screen"
local session_file = require "spec.demo.session_file"
local shell = require "spec.demo.shell"

local SERVICE_ENDS = 1797332400 -- 2026-12-15 11:00 UTC

-- Ends the demo; main shows the message and gives the exit code.
local function stop(code, message)
  error({ code = code, message = tostring(message) }, 0)
end

-- The result, or the end of the demo.
local function must(res, err)
  if not res then stop(1, err) end
  return res
end

-- Options with an ear for how the exchange went: timings.seconds, timings.connect_seconds of the last one.
local function listening(options)
  local timings = {}
  options.on_event = function(event)
    if event.name == "response" then timings.seconds, timings.connect_seconds = event.seconds, event.connect_seconds end
  end
  return options, timings
end

-- Does the new authorization key open with our own? Its fingerprint, or why not.
local function opened(pair, res)
  local auth, err = pair:open(res.kms_payload_json)
  if not auth then return "cannot be opened: " .. err end
  local text = "opened: " .. tostring(auth):match "%((.-)%)"
  auth:close()
  return text
end

local function show(before, res, timings, pair)
  screen.compare(payload.describe(before), payload.describe(res.kms_payload_json), os.time())
  screen.facts {
    { "new key", opened(pair, res) },
    { "status", tostring(res.status) },
    { "request id", res.request_id or "none given" },
    { "idempotency key", res.idempotency_key },
    { "tries", tostring(res.attempts) },
    { "connection", timings.connect_seconds == 0 and "reused" or ("new, made in %.1f ms"):format(timings.connect_seconds * 1000) },
    { "time taken", ("%.1f ms"):format(timings.seconds * 1000) },
  }
  screen.note "A token is shown as the first 8 digits of its SHA-256."
end

-- ---- On the sandbox ---------------------------------------------------------------------------

local EMAIL = "demo@example.com"

local function log_in(client, server, pair)
  must(client:init_auth { email = EMAIL })
  local otp_code = server:control("GET", "/otp?email=" .. EMAIL).otp_code
  return must(client:complete_auth { email = EMAIL, otp_code = otp_code, encryption_public_key = pair.public_key })
end

local function on_sandbox(server)
  screen.step("sandbox", ("%s, process %s"):format(server.https, server.pid))
  local options, timings = listening {
    base_url = server.https, ca_file = server.ca, api_key = server.api_key, environment = "sandbox", proxy = "",
  }
  local client = grid.new(options)
  local pair = keys.passing()
  local session = log_in(client, server, pair)
  screen.step("log in", EMAIL .. ", with the one-time password that the sandbox tells")

  -- As if the user token had expired, so that the refresh token is spent and a new one issued.
  server:set { tier = "2", key_lifetime = 900, token_lifetime = 3600 }
  local res = must(client:refresh_session { encryption_public_key = pair.public_key, kms_payload = session.kms_payload_json })
  screen.step("refresh", "the user token counts as expired, so the refresh token is spent")
  client:close()
  show(session.kms_payload_json, res, timings, pair)
end

local function sandbox_demo()
  screen.title "lua-grid: a session is refreshed, on the sandbox server"
  local server = sandbox.start { key_lifetime = 60, token_lifetime = 30 }
  local ok, problem = pcall(on_sandbox, server)
  server:stop()
  if shell.succeeds("kill -0 " .. server.pid) or shell.succeeds("test -e " .. shell.quote(server.dir)) then
    screen.warn(("The sandbox has not ended: process %s, folder %s"):format(server.pid, server.dir))
    if ok then stop(1, "demo: something was left behind") end
  elseif ok then
    screen.note "The sandbox has ended; no process and no file is left."
  end
  if not ok then error(problem, 0) end
end

-- ---- For real ---------------------------------------------------------------------------------

-- What to store. An answer without a refresh token means: keep the one you have.
local function payload_to_keep(old_token, res)
  if payload.refresh_token(res.kms_payload_json) or not old_token then return res.kms_payload_json end
  res.data.kms_payload.session.Privy.refresh_token = old_token
  return json.encode(res.data.kms_payload)
end

-- What came of an answer that makes no sense is not thrown away: it may hold the only living refresh token.
local function rescue(replacement, err)
  if not err.body or err.body == "" or err.status >= 300 then return replacement:abandon() end
  local kept, message = replacement:keep(err.body)
  screen.warn(kept and "What came of the answer is in " .. kept or "What came of the answer is lost: " .. message)
end

local function refresh_file(client, timings, path, text)
  local pair, made = keys.kept(path .. ".key")
  if not pair then stop(2, "demo: " .. made) end
  screen.step("key", ("%s.key%s"):format(path, made and ", made now: it opens the new authorization key" or ""))

  local replacement, message = session_file.prepare(path)
  if not replacement then stop(2, message) end
  local ok, res, err = pcall(client.refresh_session, client, { encryption_public_key = pair.public_key, kms_payload = text })
  if not ok then
    replacement:abandon()
    error(res, 0)
  elseif not res then
    rescue(replacement, err)
    screen.warn("The session file is as it was: " .. path)
    stop(1, err)
  end
  local saved
  saved, message = replacement:commit(payload_to_keep(payload.refresh_token(text), res))
  if not saved then stop(1, ("demo: refreshed, but not saved: %s (look for it in %s)"):format(message, replacement.temporary)) end
  show(text, res, timings, pair)
  screen.note("The new session is in " .. path)
end

local function real_demo(given_path)
  local text, path = session_file.read(given_path)
  if not text then stop(2, "demo: " .. path) end
  local options, timings = listening {}
  local made, client = pcall(grid.new, options)
  if not made then stop(2, (client:gsub("^.-:%d+: ", ""))) end

  screen.title "lua-grid: a session is refreshed, for real"
  local left = SERVICE_ENDS - os.time()
  screen.warn(("Grid switches this endpoint off on 2026-12-15 11:00 UTC: %s."):format(screen.remaining(left)))
  screen.step("service", (tostring(client):gsub("^grid%.client: ", "")))
  refresh_file(client, timings, path, text)
  client:close()
end

-- ---- Which of the two -------------------------------------------------------------------------

local function main()
  local path = os.getenv "GRID_SESSION_FILE" or ""
  if path == "" then return sandbox_demo() end
  if (os.getenv "GRID_API_KEY" or "") == "" then stop(2, "demo: a session file needs an API key too: set GRID_API_KEY") end
  real_demo(path)
end

local ok, problem = pcall(main)
if ok then os.exit(0, true) end
screen.fail(type(problem) == "table" and problem.message or tostring(problem))
os.exit(type(problem) == "table" and problem.code or 1, true)
