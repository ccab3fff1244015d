-- grid refresh: refreshes the session in a file. The replacement of the file begins
-- before the request is sent, so that the answer can be saved.
-- Owns: its options, its help text, and the order of these steps.
-- Does not know: how a file is replaced, which is in session_file.lua.

local description = require "grid.cli.description"
local exit = require "grid.cli.exit"
local repetition = require "grid.cli.repetition"
local rescue = require "grid.cli.rescue"
local service = require "grid.cli.service"
local session_file = require "grid.cli.session_file"
local session_key = require "grid.cli.session_key"

local refresh = {
  service = true,
  arguments = { { name = "FILE" } },
  options = {
    key = session_key.option,
    ["new-key"] = { help = "if the session file holds none: make one, and save it there" },
    ["idempotency-key"] = {
      value = "KEY", help = "key of an earlier refresh of unknown outcome, to request its answer again",
    },
  },
  text = [[
Refreshes the session in FILE. FILE is replaced atomically, synced to the disk, and gets the
mode 0600; after a failure it is not changed. FILE is a session file as `grid login` writes it,
a JSON object
  { "address": account, "saved_at": time, "private_key": base64 of PKCS#8,
    "kms_payload": as the service sent it, byte for byte }
whose other members are kept; or it is a bare kms_payload, and stays one if its private key is
named with --key.

Before the request is sent, FILE is locked, and a temporary file shows that FILE can be
replaced. If the answer still cannot be saved in FILE, it is saved in another file, whose name
is printed. No other program may refresh the same session at the same time: a refresh token is
valid for one use.
]],
}

--- Refreshes an open session, and saves it; `given` are the options of the command. After
--- an error the command ends, and an answer is saved elsewhere. -> result
function refresh.refresh_session(client, session, pair, output, given)
  local res, err = client:refresh_session(
    { encryption_public_key = pair.public_key, kms_payload = session.kms_payload },
    { idempotency_key = given["idempotency-key"] })
  if not res then
    session:close()
    local sentence = repetition.sentence(err, session, given)
    if sentence then output:note("grid: %s", sentence) end
    exit.failed(err, rescue.save_answer(err))
  end
  session:set_payload(res.kms_payload_json)
  local saved
  saved, err = session:save()
  if not saved then exit.failed(err, rescue.save_session(err, session)) end
  return res
end

function refresh.run(given, output)
  local client = service.client(given)
  local key_text = session_key.text(given)
  local session = exit.assert(session_file.open(given[1]))
  local pair = exit.assert(session:pair(key_text, given["new-key"]))
  local res = refresh.refresh_session(client, session, pair, output, given)

  local facts = description.facts(session, pair)
  facts.file, facts.request_id = given[1], res.request_id
  output:rows(description.rows(facts))
  output:object(facts)
  service.exit_if_interrupted()
  return 0
end

return refresh
