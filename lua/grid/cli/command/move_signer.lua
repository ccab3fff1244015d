-- grid move-signer: the way off Grid. An account's signer that this session holds makes place for one of the user's own.
-- Plan, show, prepare, check, sign, ask, do. Uses only endpoints that outlive the others.

local decode = require "grid.cli.command.decode"
local errors = require "grid.errors"
local display = require "grid.display"
local json = require "grid.json"
local login = require "grid.cli.command.login"
local members = require "grid.cli.members"
local prepared = require "grid.cli.prepared"
local refresh = require "grid.cli.command.refresh"
local service = require "grid.cli.service"
local session_file = require "grid.cli.session_file"
local sign = require "grid.cli.command.sign"
local signer_plan = require "grid.cli.signer_plan"
local exit = require "grid.cli.exit"

local move_signer = {
  service = true,
  arguments = { { name = "FILE", optional = true } },
  options = {
    to = { value = "ADDRESS", help = "the new signer, which takes over role and permissions" },
    signers = { value = "FILE", help = "instead: the whole new list, as a JSON array" },
    from = { value = "ADDRESS", help = "the signer to replace, if the session holds several" },
    address = { value = "ADDRESS", help = "the account; default the one that the session file names" },
    email = { value = "ADDRESS", help = "log in first, by a one-time password; FILE, if given, then gets the session" },
    force = { help = "with --email: replace FILE if it is there" },
    key = { value = "FILE", help = "the private key that opens this session's keys, where the session file holds none" },
    ["dry-run"] = { help = "stop before anything is submitted: the account stays as it is" },
    yes = { help = "do not ask; needed where nobody can be asked" },
    unverified = { help = "sign although the transaction names no account or wallet that can be recognised" },
  },
  text = [[
Replaces the signer of an account whose key Grid holds by one of your own, with the session in FILE or a new log-in.
Shows who signs now and who is to, has the service prepare the transaction, checks that it is for this account and
this session's signers only, signs it, asks, submits, and shows who signs then. Nothing changes before the submission.

Test the new signer's key first: who moves an account to a key that nobody has, has lost the account.
]],
}

local function check_given(given, screen)
  if (given.to == nil) == (given.signers == nil) then exit.usage "move-signer: give --to ADDRESS or --signers FILE" end
  for _, name in ipairs { "to", "address" } do
    if given[name] and not decode.address(given[name]) then
      exit.usage("move-signer: --%s is not an address (base58 of 32 bytes)", name)
    end
  end
  if not given[1] and not given.email then exit.usage "move-signer: name a session FILE, or log in with --email" end
  if not given.yes and not given["dry-run"] and not screen.is_attended() then
    exit.usage "move-signer: nobody can be asked here: give --yes, or --dry-run"
  end
end

local function refuse(fields)
  fields.message = display.one_line(fields.message)
  exit.failed(errors.new(fields), { submitted = false })
end

local function read_signers(path)
  if not path then return nil end
  local list = json.decode(exit.unless(session_file.read_text(path)))
  local problem = signer_plan.check_signers(list)
  for i, signer in ipairs(problem and {} or list) do
    if not decode.address(signer.address) then problem = ("signer %d has no address"):format(i) end
  end
  if problem then refuse { kind = "store", code = "bad_signers", message = path .. ": " .. problem } end
  return list
end

local function log_in(client, given, screen)
  local file = given[1] and login.begin(given[1], given.force)
  local res, pair = login.obtain(client, given.email, screen)
  local session = login.session_of(res, pair)
  if file then login.save(session, file) end
  return session, pair
end

local function open_session(client, given, screen)
  local session, pair
  if given.email then
    session, pair = log_in(client, given, screen)
  else
    session = exit.unless(session_file.read(given[1]))
    pair = exit.unless(session:pair(refresh.key_text(given)))
  end
  return session, sign.authorization_key(session, pair)
end

local function address_of(given, session)
  local address = given.address or session.address
  if not address then exit.usage "move-signer: the session file names no account: give --address" end
  if not decode.address(address) then
    refuse { kind = "store", code = "bad_session_file", message = "the session's account is no address: give --address" }
  end
  return address
end

local function get_account(client, address)
  local res = exit.unless(client:get_account(address))
  local is_other = res.data.address ~= nil and res.data.address ~= address
  local problem = is_other and "the service answers for another account than was asked for" or signer_plan.check_account(res.data)
  if problem then refuse { kind = "protocol", code = "bad_answer", sent = "yes", message = problem } end
  return res.data
end

local function prepare(client, plan, given, address, wallet_ids)
  local changes, as_admin = signer_plan.changes(plan, given.to)
  local res = exit.unless(client:update_account(address, changes, { admin = as_admin or nil }))
  local problem = prepared.check_signers(res.data, members.set(plan.held))
    or not given.unverified and prepared.check_content(res.data, address, wallet_ids)
  if problem then exit.failed(("grid: refused, nothing is signed: %s"):format(problem), { submitted = false }) end
  return res.data
end

local function confirm(given, screen)
  if given.yes then return end
  local word = screen:ask "Submit this? It cannot be taken back by this session. Type yes: "
  if word ~= "yes" then exit.failed("grid: nothing was submitted", { submitted = false }) end
end

local function summary(plan, address)
  return { address = address, before = plan.before, after = plan.after, threshold = plan.threshold, submitted = false }
end

local function submit(client, address, transaction, auth, screen)
  local res, err = client:sign_and_submit(address, transaction, auth)
  if not res then
    local is_unknown = err.outcome == "unknown"
    if is_unknown then
      screen:note "grid: whether the account has changed is unknown: --dry-run shows who signs for it now"
    end
    exit.failed(err, { submitted = is_unknown and "unknown" or false })
  end
  return res
end

function move_signer.run(given, screen)
  check_given(given, screen)
  local signers = read_signers(given.signers)
  local client = service.client(given)
  local session, auth = open_session(client, given, screen)
  local address = address_of(given, session)

  local wallets, wallet_ids = signer_plan.wallets(session.kms_payload)
  local wanted = { to = given.to, from = given.from, signers = signers }
  local plan, problem = signer_plan.new(get_account(client, address), wallets, wanted)
  if not plan then exit.failed("grid: " .. problem, { submitted = false }) end
  screen:rows(signer_plan.rows(plan, address))

  local transaction = prepare(client, plan, given, address, wallet_ids)
  service.heed_interrupt()
  local report = summary(plan, address)
  if given["dry-run"] then
    exit.unless(client:sign(transaction, auth))
    screen:line "dry run: prepared, checked and signed; nothing was submitted"
    screen:object(report)
    return 0
  end
  confirm(given, screen)
  local res = submit(client, address, transaction, auth, screen)
  auth:close()
  report.submitted, report.transaction_signature = true, res.data.transaction_signature
  screen:line("%-20s%s", "submitted", res.data.transaction_signature)
  local now = client:get_account(address)
  report.signers_now = now and not signer_plan.check_account(now.data) and now.data.policies.signers or nil
  for _, signer in ipairs(report.signers_now or {}) do screen:line("%-20s%s", "signs now", signer.address) end
  screen:object(report)
  return 0
end

return move_signer
