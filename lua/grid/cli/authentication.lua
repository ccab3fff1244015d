-- Logs in with a one-time password, and saves the session in a file.
-- Owns: the prompt for a password, and the number of attempts.
-- Does not know: how a session file is written, which is in session_file.lua.

local exit = require "grid.cli.exit"
local grid = require "grid"
local json = require "grid.json"
local pasted = require "grid.pasted"
local rescue = require "grid.cli.rescue"
local service = require "grid.cli.service"
local session_file = require "grid.cli.session_file"
local text_file = require "grid.cli.text_file"

local authentication = {}

local ATTEMPTS = 3 -- the limit of Grid

-- Mail programs insert blanks and invisible characters, which are removed. A password
-- with any other character is not sent, since the service would count an attempt.
local function read_password(output, email)
  for attempt = 1, ATTEMPTS do
    local password = output:ask(("The one-time password that was sent to %s: "):format(email))
    service.exit_if_interrupted()
    password = pasted.squeeze(password or "")
    if password == "" then exit.failed "grid: no one-time password was given" end
    if not password:find "[^0-9A-Za-z]" then return password end
    local problem = "grid: the one-time password holds a character that is neither a letter "
      .. "nor a digit: it was not sent"
    if attempt == ATTEMPTS or not output.is_interactive() then exit.failed(problem) end
    output:note("%s", problem)
  end
end

-- Would another password be accepted?
local function may_be_mistyped(err)
  return err.outcome == "final" and err.kind ~= "retired"
end

--- Has the service send a password, reads it, and logs in. -> result, key pair
function authentication.log_in(client, email, output)
  local begun = exit.assert(client:init_auth { email = email })
  service.exit_if_interrupted()
  local pair = exit.assert(grid.keypair())
  local otp_id = json.at(begun.data, "otp_id")
  if type(otp_id) ~= "string" then otp_id = nil end
  local res, err
  for attempt = 1, ATTEMPTS do
    res, err = client:complete_auth {
      email = email, otp_code = read_password(output, email), otp_id = otp_id,
      encryption_public_key = pair.public_key,
    }
    if res then return res, pair end
    if attempt == ATTEMPTS or not output.is_interactive() or not may_be_mistyped(err) then break end
    output:note("%s", tostring(err))
  end
  exit.failed(err, rescue.save_answer(err))
end

--- Begins the file for a new session. An existing one is replaced only with `force`.
function authentication.begin(path, force)
  exit.if_exists(path, force)
  return exit.assert(text_file.begin(path))
end

--- The session of a log-in, saved in `file` if there is one.
---@return grid.cli.Session
function authentication.save(res, pair, file)
  local address = json.at(res.data, "address")
  local session = session_file.new {
    address = type(address) == "string" and address or nil,
    kms_payload = res.kms_payload_json, private_key = pair:export(), file = file,
  }
  if file then
    local saved, err = session:save()
    if not saved then exit.failed(err, rescue.save_session(err, session)) end
  end
  return session
end

return authentication
