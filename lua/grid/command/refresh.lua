-- grid refresh: one session file is renewed. The file is begun before anything is sent, so that what comes can be saved.

local description = require "grid.command.description"
local rescue = require "grid.command.rescue"
local service = require "grid.command.service"
local session_file = require "grid.command.session_file"
local stop = require "grid.command.stop"
local successor = require "grid.command.successor"

local refresh = {
  service = true,
  arguments = { { name = "FILE" } },
  options = {
    key = { value = "FILE", help = "the private key that opens this session's keys, where the session file holds none" },
    ["new-key"] = { help = "where the session file holds none: make one, and keep it there" },
    ["idempotency-key"] = { value = "KEY", help = "that of an earlier try with an unknown outcome: asks for its answer again" },
  },
  text = [[
Renews the session in FILE, which is replaced whole, durable and 0600, or left as it is. FILE is a session file as
`grid login` writes it, a JSON object
  { "address": account, "saved_at": time, "private_key": base64 of PKCS#8, "kms_payload": as it came, byte for byte }
whose other members are kept; or it is a bare kms_payload, and stays one if its private key is named with --key.

Nothing is sent before FILE has proved replaceable. If what comes cannot be saved there, it goes to a file of its
own, which is named. Nobody else may refresh the same session meanwhile: a refresh token is good for one use.
]],
}

--- Reads the session of an open file, and its pair. -> session, pair | ends the command
local function read(path, key_text, given)
  local session, err = session_file.read(path)
  stop.unless(session, err)
  local pair, made = session:pair(key_text, given["new-key"])
  stop.unless(pair, made)
  return session, pair, made
end

local function begin(path)
  local file, err = session_file.begin(path)
  return stop.unless(file, err)
end

--- The text of the file that --key names, if any.
function refresh.key_text(given)
  if not given.key then return nil end
  local text, err = session_file.read_text(given.key)
  return stop.unless(text, err)
end

-- A new private key is kept before anything is sealed to it: whatever happens later, it opens what comes.
local function keep_new_key(path, file, session)
  local saved, err = session:save(file, true)
  stop.unless(saved, err)
  return begin(path)
end

local function explain_unknown(err, screen)
  if err.sent == "unknown" and err.idempotency_key then
    screen:note("grid: the session file is as it was. To ask for the same answer again: --idempotency-key %s", err.idempotency_key)
  end
end

function refresh.run(given, screen)
  local path = given[1]
  local client, patience = service.client(given)
  local key_text = refresh.key_text(given)
  local file = begin(path)
  local session, pair, made = read(path, key_text, given)
  if made then file = keep_new_key(path, file, session) end

  local res, err = client:refresh_session({ encryption_public_key = pair.public_key, kms_payload = session.kms_payload },
    { idempotency_key = given["idempotency-key"] })
  if not res then
    file:close()
    explain_unknown(err, screen)
    rescue.fail(err, rescue.report_answer(err))
  end
  session.kms_payload = successor.of(session.kms_payload, res.kms_payload_json)
  local saved
  saved, err = session:save(file, true)
  if not saved then rescue.fail(err, rescue.report(session:to_text())) end

  local facts = description.facts(session, pair)
  facts.file, facts.request_id = path, res.request_id
  screen:rows(description.rows(facts))
  screen:object(facts)
  service.heed_interrupt(patience)
  return 0
end

return refresh
