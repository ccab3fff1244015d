-- grid refresh: one session file is renewed. The file is begun before anything is sent, so that what comes can be saved.

local again = require "grid.cli.again"
local description = require "grid.cli.description"
local rescue = require "grid.cli.rescue"
local service = require "grid.cli.service"
local session_file = require "grid.cli.session_file"
local exit = require "grid.cli.exit"

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

Nothing is sent before FILE has proved replaceable, as far as can be told, and is not being refreshed by another
`grid`. If what comes cannot be saved there, it goes to a file of its own, which is named. Nobody else may refresh
the same session meanwhile: a refresh token is good for one use.
]],
}

--- The text of the file that --key names, if any.
function refresh.key_text(given)
  return given.key and exit.unless(session_file.read_text(given.key))
end

--- Renews an open session, and saves it; `given` are the options of the command, if there are any. -> result | ends the command;
--- what came is not lost
function refresh.renew(client, session, pair, screen, given)
  given = given or {}
  local res, err = client:refresh_session(
    { encryption_public_key = pair.public_key, kms_payload = session.kms_payload },
    { idempotency_key = given["idempotency-key"] })
  if not res then
    session:close()
    local sentence = again.sentence(err, session, given)
    if sentence then screen:note("grid: %s", sentence) end
    rescue.fail(err, rescue.report_answer(err))
  end
  session:renew(res.kms_payload_json)
  local saved
  saved, err = session:save()
  if not saved then rescue.fail(err, rescue.report_unsaved(err, session)) end
  return res
end

function refresh.run(given, screen)
  local client = service.client(given)
  local key_text = refresh.key_text(given)
  local session = exit.unless(session_file.open(given[1]))
  local pair = exit.unless(session:pair(key_text, given["new-key"]))
  local res = refresh.renew(client, session, pair, screen, given)

  local facts = description.facts(session, pair)
  facts.file, facts.request_id = given[1], res.request_id
  screen:rows(description.rows(facts))
  screen:object(facts)
  service.heed_interrupt()
  return 0
end

return refresh
