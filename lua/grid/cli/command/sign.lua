-- grid sign: the payloads of a prepared transaction, signed with a session's authorization key. Sends nothing.

local grid = require "grid"
local json = require "grid.json"
local pasted = require "grid.pasted"
local refresh = require "grid.cli.command.refresh"
local session_file = require "grid.cli.session_file"
local sessions = require "grid.api.session"
local exit = require "grid.cli.exit"
local times = require "grid.cli.times"

local sign = {
  arguments = { { name = "FILE" }, { name = "PREPARED.json", optional = true } },
  options = {
    key = { value = "FILE", help = "the private key that opens this session's keys, where the session file holds none" },
  },
  text = [[
Signs a prepared transaction ({"transaction", "kms_payloads"}, or the service's whole answer around it) with the
authorization key of the session in FILE, and prints what POST /accounts/ADDRESS/submit takes. Without PREPARED.json,
or with -, it is read from standard input. A payload for a signer that the session does not hold is refused. Nothing
is sent.
]],
}

--- The session's authorization key, opened. Ends the command if that cannot be, or if it has expired.
function sign.authorization_key(session, pair)
  local auth = exit.unless(pair:open(session.kms_payload))
  local expires_at = json.slice(session.kms_payload, "session", "Privy", "session", "expires_at")
  local seconds = sessions.seconds(tonumber(expires_at))
  if seconds and seconds <= os.time() then
    exit.failed(("grid: the authorization key expired %s: refresh the session, or log in again"):format(times.text(seconds)))
  end
  return auth
end

local function read_prepared(path)
  local text
  if path and path ~= "-" then
    text = exit.unless(session_file.read_text(path))
  else
    text, path = pasted.without_mark(io.read "*a" or ""), "standard input"
  end
  local value = json.decode(text)
  if type(value) ~= "table" then exit.failed(("grid: %s holds no JSON object"):format(path)) end
  return value.transaction == nil and type(value.data) == "table" and value.data or value
end

function sign.run(given, screen)
  local session = exit.unless(session_file.read(given[1]))
  local pair = exit.unless(session:pair(refresh.key_text(given)))
  local prepared = read_prepared(given[2])
  local auth = sign.authorization_key(session, pair)
  local client = grid.new { base_url = "https://grid.squads.xyz", environment = "production" }
  local signed = exit.unless(client:sign(prepared, auth))
  screen:data(signed)
  return 0
end

return sign
