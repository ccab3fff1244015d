-- grid move-signer: replaces a signer of an account, whose key Grid holds, by one of the
-- user's own. The steps: plan, show, prepare, check, sign, ask, submit.
-- Owns: the order of these steps. Calls only the endpoints that are switched off last.
-- Does not know: what a plan and a transaction must be, see move_signer/plan.lua,
-- prepared.lua.

local authentication = require "grid.cli.authentication"
local decode = require "grid.cli.command.move_signer.decode"
local display = require "grid.display"
local errors = require "grid.errors"
local exit = require "grid.cli.exit"
local json = require "grid.json"
local plans = require "grid.cli.command.move_signer.plan"
local prepared = require "grid.cli.command.move_signer.prepared"
local service = require "grid.cli.service"
local session_file = require "grid.cli.session_file"
local session_key = require "grid.cli.session_key"
local session_facts = require "grid.api.session_facts"
local text_file = require "grid.cli.text_file"

local move_signer = {
  service = true,
  arguments = { { name = "FILE", optional = true } },
  options = {
    to = { value = "ADDRESS", help = "the new signer, which gets the role and permissions of the old one" },
    signers = { value = "FILE", help = "in place of --to: the complete new list of signers, as a JSON array" },
    from = { value = "ADDRESS", help = "the signer to replace, if the session holds several" },
    address = { value = "ADDRESS", help = "the account; default the one that the session file names" },
    email = { value = "ADDRESS", help = "log in first, with a one-time password, and save the session in FILE if it is given" },
    force = { help = "with --email: replace FILE if it exists" },
    key = session_key.option,
    ["dry-run"] = { help = "stop before the transaction is submitted: the account is not changed" },
    yes = { help = "do not ask for confirmation; required without a terminal" },
    unverified = { help = "sign a transaction in which no account or wallet can be recognised" },
  },
  text = [[
Replaces the signer of an account, whose key Grid holds, by one of your own. Uses the session
in FILE or a new log-in. The command shows the signers before and after the change, requests the
prepared transaction, checks that it is for this account and only for signers of this session,
signs it, asks for confirmation, submits it, and shows the signers of the account. The account
is not changed before the transaction is submitted.

First test that the new key can sign: if the key of the only signer is lost, so is the account.
]],
}

local function check_given(given, output)
  if (given.to == nil) == (given.signers == nil) then
    exit.usage "move-signer: give --to ADDRESS or --signers FILE"
  end
  for _, name in ipairs { "to", "address" } do
    if given[name] and not decode.address(given[name]) then
      exit.usage("move-signer: --%s is not an address (base58 of 32 bytes)", name)
    end
  end
  if not given[1] and not given.email then
    exit.usage "move-signer: name a session FILE, or log in with --email"
  end
  if not given.yes and not given["dry-run"] and not output.is_interactive() then
    exit.usage "move-signer: standard input is not a terminal: give --yes, or --dry-run"
  end
end

-- Ends the command before the submission; the JSON object has `submitted = false`.
local function refuse(problem)
  exit.failed(problem, { submitted = false })
end

local function refuse_with(fields)
  fields.message = display.one_line(fields.message)
  refuse(errors.new(fields))
end

local function read_signers(path)
  if not path then return nil end
  local list = json.decode(exit.assert(text_file.read(path)))
  local problem = plans.check_signers(list)
  for i, signer in ipairs(problem and {} or list) do
    if not decode.address(signer.address) then problem = ("signer %d has no address"):format(i) end
  end
  if problem then
    refuse_with { kind = "store", code = "bad_signers", message = path .. ": " .. problem }
  end
  return list
end

-- -> session, key pair
local function open_session(client, given, output)
  if not given.email then
    local session = exit.assert(session_file.read(given[1]))
    return session, exit.assert(session:pair(session_key.text(given)))
  end
  local file = given[1] and authentication.begin(given[1], given.force)
  local res, pair = authentication.log_in(client, given.email, output)
  return authentication.save(res, pair, file), pair
end

local function address_of(given, session)
  local address = given.address or session.address
  if not address then exit.usage "move-signer: the session file names no account: give --address" end
  if not decode.address(address) then
    refuse_with {
      kind = "store", code = "bad_session_file",
      message = "the account in the session file is not an address: give --address",
    }
  end
  return address
end

local function get_account(client, address)
  local res = exit.assert(client:get_account(address))
  local problem = plans.check_account(res.data)
  if res.data.address ~= nil and res.data.address ~= address then
    problem = "the service answered with another account than the requested one"
  end
  if problem then
    refuse_with { kind = "protocol", code = "bad_answer", sent = "yes", message = problem }
  end
  return res.data
end

local function prepare(client, plan, given, address, wallet_ids)
  local changes, as_admin = plans.changes(plan, given.to)
  local res = exit.assert(client:update_account(address, changes, { admin = as_admin or nil }))
  local held = {}
  for _, signer in ipairs(plan.held) do held[signer] = true end
  local problem = prepared.check_signers(res.data, held)
    or not given.unverified and prepared.check_content(res.data, address, wallet_ids)
  if problem then refuse(("grid: refused, nothing is signed: %s"):format(problem)) end
  return res.data
end

local function confirm(given, output)
  if given.yes then return end
  local word = output:ask "Submit this? This session cannot undo it. Type yes: "
  if word ~= "yes" then refuse "grid: nothing was submitted" end
end

local function submit(client, address, transaction, auth, output)
  local res, err = client:sign_and_submit(address, transaction, auth)
  if res then return res.data.transaction_signature end
  local is_unknown = err.outcome == "unknown"
  if is_unknown then
    output:note "grid: whether the account has changed is unknown: --dry-run shows its signers"
  end
  exit.failed(err, { submitted = is_unknown and "unknown" or false })
end

-- The signers after the submission | nil: the service did not return them.
local function signers_now(client, address)
  local now = client:get_account(address)
  return now and not plans.check_account(now.data) and now.data.policies.signers or nil
end

local function make_plan(client, address, wallets, wanted)
  local plan, problem = plans.new(get_account(client, address), wallets, wanted)
  if not plan then refuse("grid: " .. problem) end
  return plan
end

-- Submits the transaction, and adds to the report what the account has become.
local function submit_and_report(client, address, transaction, auth, output, report)
  report.transaction_signature = submit(client, address, transaction, auth, output)
  report.submitted = true
  output:line("%-20s%s", "submitted", report.transaction_signature)
  report.signers_now = signers_now(client, address)
  for _, signer in ipairs(report.signers_now or {}) do
    output:line("%-20s%s", "signs now", signer.address)
  end
end

function move_signer.run(given, output)
  check_given(given, output)
  local signers = read_signers(given.signers)
  local client = service.client(given)
  local session, pair = open_session(client, given, output)
  local auth = session_key.open_authorization(session, pair)
  local address = address_of(given, session)

  local wallets, wallet_ids = session_facts.wallets(session.kms_payload)
  local plan = make_plan(client, address, wallets, { to = given.to, from = given.from, signers = signers })
  output:rows(plans.rows(plan, address))

  local transaction = prepare(client, plan, given, address, wallet_ids)
  service.exit_if_interrupted()
  local report = { address = address, before = plan.before, after = plan.after, threshold = plan.threshold, submitted = false }
  if given["dry-run"] then
    exit.assert(client:sign(transaction, auth))
    output:line "dry run: prepared, checked and signed; nothing was submitted"
  else
    confirm(given, output)
    submit_and_report(client, address, transaction, auth, output, report)
  end
  auth:close()
  output:object(report)
  return 0
end

return move_signer
