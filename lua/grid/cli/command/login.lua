-- grid login: a one-time password becomes a session in a file.

local description = require "grid.cli.description"
local grid = require "grid"
local pasted = require "grid.pasted"
local rescue = require "grid.cli.rescue"
local service = require "grid.cli.service"
local session_file = require "grid.cli.session_file"
local exit = require "grid.cli.exit"

local login = {
  service = true,
  arguments = {},
  options = {
    email = { value = "ADDRESS", required = true, help = "whom the one-time password is sent to" },
    session = { value = "FILE", required = true, help = "where the session goes, 0600" },
    force = { help = "replace FILE if it is there" },
  },
  text = [[
Has a one-time password sent to an address, reads it from standard input, and keeps the session that it gives, with
a new private key, in a session file (see `grid refresh --help`). On a terminal, a mistyped password may be given
again.
]],
}

local ATTEMPTS = 3 -- Grid's own limit

-- Mail and messengers put blanks and characters that are not seen into what is copied
-- from them. What else is there would cost one of the service's tries.
local function read_code(screen, email)
  for attempt = 1, ATTEMPTS do
    local code = screen:ask(("The one-time password that was sent to %s: "):format(email))
    service.heed_interrupt()
    code = pasted.squeeze(code or "")
    if code == "" then exit.failed "grid: no one-time password was given" end
    if not code:find "[^0-9A-Za-z]" then return code end
    local problem = "grid: the one-time password holds a character that is neither a letter nor a digit: it was not sent"
    if attempt == ATTEMPTS or not screen.is_attended() then exit.failed(problem) end
    screen:note("%s", problem)
  end
end

-- A refusal that another code might meet better.
local function may_be_mistyped(err)
  return err.outcome == "final" and err.kind ~= "retired"
end

--- Logs in. -> result, key pair | ends the command
function login.obtain(client, email, screen)
  local begun = exit.unless(client:init_auth { email = email })
  service.heed_interrupt()
  local pair = exit.unless(grid.keypair())
  local otp_id = type(begun.data) == "table" and type(begun.data.otp_id) == "string" and begun.data.otp_id or nil
  local res, err
  for attempt = 1, ATTEMPTS do
    res, err = client:complete_auth {
      email = email, otp_code = read_code(screen, email), otp_id = otp_id, encryption_public_key = pair.public_key,
    }
    if res then return res, pair end
    if attempt == ATTEMPTS or not screen.is_attended() or not may_be_mistyped(err) then break end
    screen:note("%s", tostring(err))
  end
  rescue.fail(err, rescue.report_answer(err))
end

--- The session of a log-in.
function login.session_of(res, pair)
  local address = type(res.data.address) == "string" and res.data.address or nil
  return session_file.new(address, res.kms_payload_json, pair:export())
end

--- Begins FILE, which must not be there yet unless that was allowed.
function login.begin(path, force)
  exit.if_there(path, force)
  return exit.unless(session_file.begin(path))
end

--- Saves it in the place of what the file was begun for, or rescues it and ends the command.
function login.save(session, file)
  session.file = file
  local saved, err = session:save()
  if not saved then rescue.fail(err, rescue.report_unsaved(err, session)) end
end

function login.run(given, screen)
  local client = service.client(given)
  local file = login.begin(given.session, given.force)
  local res, pair = login.obtain(client, given.email, screen)
  local session = login.session_of(res, pair)
  login.save(session, file)
  local facts = description.facts(session, pair)
  facts.file = given.session
  screen:rows(description.rows(facts))
  screen:line("%-20s%s", "session file", given.session)
  screen:object(facts)
  service.heed_interrupt()
  return 0
end

return login
