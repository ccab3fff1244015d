-- The private key of a session, and the authorization key that it opens.
-- Owns: the option --key.
-- Does not know: where a session file keeps its key, which is in session_file.lua.

local exit = require "grid.cli.exit"
local sessions = require "grid.api.session"
local times = require "grid.cli.times"
local text_file = require "grid.cli.text_file"

local session_key = {}

--- The declaration of --key.
session_key.option = {
  value = "FILE",
  help = "holds the private key that opens this session's keys, in place of the session file's own",
}

--- The text of the file that --key names | nil: the option is not given
function session_key.text(given)
  return given.key and exit.assert(text_file.read(given.key))
end

--- The opened authorization key of a session. The command ends if `pair` does not open
--- it, or if it has expired.
---@param session grid.cli.Session
---@param pair grid.KeyPair
---@return grid.AuthorizationKey
function session_key.open_authorization(session, pair)
  local auth = exit.assert(pair:open(session.kms_payload))
  local expires_at = sessions.key_expiry(session.kms_payload)
  if expires_at and sessions.is_expired(expires_at, os.time()) then
    exit.failed(("grid: the authorization key expired %s: refresh the session, or log in again"):format(
      times.text(expires_at)))
  end
  return auth
end

return session_key
