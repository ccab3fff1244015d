-- grid move-signer: its steps, and the faults at which it stops.

local harness = require "spec.command.harness"

local NEW = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi"

describe("grid move-signer", function()
  local run, made

  setup(function() run = harness.start() end)
  teardown(function() run:stop() end)
  before_each(function()
    run:clear()
    made = run:write_session "s.json"
  end)

  local function wallet()
    return run:json "s.json".kms_payload.session.Privy.session.wallets[1].address
  end

  -- Who signs for the account, as the sandbox's own client is told.
  local function signers()
    local out = select(2, run:shell(([[
      curl -s -H "Authorization: Bearer $GRID_API_KEY" -H "x-grid-environment: sandbox" %s/api/grid/v1/accounts/%s]]):format(
      run.server.http, made.address)))
    return harness.objects(out)[1].data.policies.signers
  end

  local function submissions()
    local count = 0
    for _, request in ipairs(run.server:control("GET", "/requests")) do
      if request.path:find "/submit$" then count = count + 1 end
    end
    return count
  end

  it("replaces the session's signer by one's own, with the same role and permissions", function()
    local before = signers()[1]
    local code, out, err = run:grid("move-signer s.json --yes --to " .. NEW)
    assert.same({ 0, "" }, { code, err })
    local after = signers()
    assert.equal(1, #after)
    assert.same({ NEW, before.role, before.permissions }, { after[1].address, after[1].role, after[1].permissions })
    assert.matches("%- removed +" .. wallet() .. ", primary, privy, CAN_INITIATE CAN_VOTE CAN_EXECUTE", out)
    assert.matches("%+ added +" .. NEW .. ", primary, CAN_INITIATE", out)
    assert.matches("submitted +%w+\nsigns now +" .. NEW, out)
    for _, secret in ipairs(harness.secrets(run:json "s.json")) do assert.is_nil(out:find(secret, 1, true)) end
  end)

  it("tells scripts the same as one object", function()
    local before = signers()
    local code, out = run:grid("move-signer s.json --yes --json --to " .. NEW)
    assert.equal(0, code)
    local told = harness.objects(out)
    assert.equal(1, #told)
    assert.is_true(told[1].submitted)
    assert.same(before, told[1].before)
    assert.same(told[1].after, told[1].signers_now)
  end)

  it("changes nothing in a dry run", function()
    local before = signers()
    local code, out = run:grid("move-signer s.json --dry-run --to " .. NEW)
    assert.equal(0, code)
    assert.matches("%+ added +" .. NEW, out)
    assert.matches("nothing was submitted", out)
    assert.same({ before, 0 }, { signers(), submissions() })
  end)

  it("does nothing without a terminal and --yes", function()
    local requests = run.server:stats().requests
    local code, _, err = run:grid("move-signer s.json --to " .. NEW)
    assert.equal(2, code)
    assert.matches("%-%-yes", err)
    assert.equal(requests, run.server:stats().requests)
  end)

  it("asks on a terminal, and takes nothing but yes for it", function()
    if run.folder:run "command -v script >/dev/null" ~= 0 then return pending "needs util-linux's script" end
    local before = signers()
    local words = harness.GRID:gsub("'", "'\\''") .. " move-signer s.json --to " .. NEW
    local code, out = run:shell(("(sleep 1; echo y) | script -qec '%s' /dev/null"):format(words))
    assert.equal(1, code)
    assert.matches("Type yes: ", out)
    assert.matches("nothing was submitted", out)
    assert.same(before, signers())
    code = run:shell(("(sleep 1; echo yes) | script -qec '%s' /dev/null"):format(words))
    assert.equal(0, code)
    assert.equal(NEW, signers()[1].address)
  end)

  for misbehaviour, words in pairs {
    other_account = "names the signer", other_signer = "is not a signer of the account whose key this session holds",
    other_transaction = "does not name the account", other_provider = "another provider",
  } do
    it(("signs nothing when the service prepares something else: %s"):format(misbehaviour), function()
      local before = signers()
      run.server:set { prepare = misbehaviour }
      local code, out, err = run:grid("move-signer s.json --yes --json --to " .. NEW)
      assert.equal(1, code)
      assert.matches("refused, nothing is signed", err)
      assert.matches(words, err)
      assert.is_false(harness.objects(out)[1].submitted)
      assert.same({ before, 0 }, { signers(), submissions() })
    end)
  end

  it("looks at who is to sign even when it is told to trust the transaction", function()
    run.server:set { prepare = "other_signer" }
    assert.equal(1, (run:grid("move-signer s.json --yes --unverified --to " .. NEW)))
    assert.equal(0, submissions())
    run.server:set { prepare = "other_transaction" }
    assert.equal(0, (run:grid("move-signer s.json --dry-run --unverified --to " .. NEW)))
  end)

  it("logs in first when it is told an email", function()
    local code, out, err = run:shell([[
      mkfifo code
      grid move-signer new.json --email s.json@example.com --yes --json --to ]] .. NEW .. [[ <code &
      exec 3>code
      until otp=$(curl -sf "$CONTROL/otp?email=s.json@example.com"); do sleep 0.05; done
      echo "$otp" | sed 's/.*"otp_code":"\([0-9]*\)".*/\1/' >&3
      exec 3>&-
      wait $!]])
    assert.same({ 0, "" }, { code, err })
    assert.equal(made.address, harness.objects(out)[1].address)
    assert.equal(NEW, signers()[1].address)
    assert.equal("600", run:mode "new.json")
  end)

  it("takes a whole list of signers instead", function()
    run.folder:write("list.json", ('[{"address":"%s","permissions":["CAN_VOTE"]},{"address":"%s","permissions":["CAN_INITIATE"]}]')
      :format(NEW, wallet()))
    local code, out = run:grid "move-signer s.json --yes --signers list.json"
    assert.equal(0, code)
    assert.matches("  unchanged +" .. wallet(), out)
    assert.equal(2, #signers())
  end)

  it("stops when the signers that the service tells cannot be shown", function()
    local function odd(list, threshold)
      return ('{"data":{"policies":{"signers":%s,"threshold":%s}}}'):format(list, threshold)
    end
    local signer = ('{"address":"%s"}'):format(wallet())
    for _, body in ipairs {
      odd("[null]", 1), odd('[{"address":null}]', 1), odd(('[%s,{"address":7}]'):format(signer), 1), odd("[]", 1), odd("7", 1),
      odd(('[{"address":"%s","permissions":[{}]}]'):format(wallet()), 1), odd(("[%s]"):format(signer), 1.5),
      odd(("[%s]"):format(signer), '"2"'), odd(("[%s]"):format(signer), 0), '{"data":{"policies":7}}', '{"data":{"address":7}}',
    } do
      run.server:fault { kind = "body", body = body, path = "/accounts/" .. made.address }
      local code, out, err = run:grid("move-signer s.json --yes --json --to " .. NEW)
      assert.equal(1, code, body)
      local told = harness.objects(out)[1]
      assert.same({ false, "protocol", "bad_answer" }, { told.submitted, told.error.kind, told.error.code })
      assert.matches("^grid: protocol error", err)
    end
    assert.equal(0, submissions())
  end)

  it("has submitted even if the service tells nonsense afterwards", function()
    local body = '{"data":{"policies":{"signers":[null]}}}'
    run.server:fault { kind = "body", body = body, path = "/accounts/" .. made.address, skip = 2 }
    local code, out = run:grid("move-signer s.json --yes --json --to " .. NEW)
    assert.equal(0, code)
    local told = harness.objects(out)[1]
    assert.is_true(told.submitted)
    assert.is_nil(told.signers_now)
    assert.equal(NEW, signers()[1].address)
  end)

  it("refuses a list of signers, or a session, without an address", function()
    for _, list in ipairs { "{}", "7", "[null]", '[{"address":"x"}]', ('[{"address":"%s","permissions":[7]}]'):format(NEW) } do
      run.folder:write("list.json", list)
      local code, out = run:grid "move-signer s.json --yes --json --signers list.json"
      assert.equal(1, code)
      assert.equal("bad_signers", harness.objects(out)[1].error.code)
    end
    for _, address in ipairs { "", "..", "me" } do
      run.folder:write("odd.json", (run.folder:read("s.json"):gsub(made.address, address)))
      local code, out = run:grid("move-signer odd.json --yes --json --to " .. NEW)
      assert.equal(1, code)
      assert.equal("bad_session_file", harness.objects(out)[1].error.code)
    end
    assert.equal(0, run.server:stats().requests)
  end)

  it("asks for one thing, said rightly", function()
    for _, words in ipairs { "s.json --yes", "s.json --yes --to nonsense", "--yes --to " .. NEW,
      "s.json --yes --signers x --to " .. NEW, "s.json --yes --address '' --to " .. NEW, "s.json --yes --address .. --to " .. NEW,
    } do
      assert.equal(2, (run:grid("move-signer " .. words)), words)
    end
    assert.equal(0, run.server:stats().requests)
  end)

  it("stops when the session holds no signer of the account, or not enough of them", function()
    local other = run:write_session "other.json"
    local code, _, err = run:grid(("move-signer s.json --yes --address %s --to %s"):format(other.address, NEW))
    assert.equal(1, code)
    assert.matches("no wallet of this session is a signer", err)
    code, _, err = run:grid(("move-signer s.json --yes --address %s --to %s"):format(NEW, NEW))
    assert.equal(1, code)
    assert.matches("account_not_found", err)
  end)

  it("stops when the key has expired", function()
    run.server:set { key_lifetime = 1 }
    made = run:write_session "s.json"
    local code, _, err = run:shell("sleep 2.1; grid move-signer s.json --yes --to " .. NEW)
    assert.equal(1, code)
    assert.matches("the authorization key expired", err)
  end)

  it("says that nothing is known when the answer to the submission is lost", function()
    run.server:fault { kind = "drop", execute = true, path = "/accounts/" .. made.address .. "/submit" }
    local code, out, err = run:grid("move-signer s.json --yes --json --to " .. NEW)
    assert.equal(1, code)
    assert.matches("unknown", err)
    assert.equal("unknown", harness.objects(out)[1].submitted)
    assert.equal(1, submissions())
  end)

  for what, fault in pairs { ["breaks off"] = { kind = "truncate" }, ["is a 502"] = { kind = "status", status = 502 } } do
    it("says so too when that answer " .. what, function()
      fault.execute, fault.path = true, "/accounts/" .. made.address .. "/submit"
      run.server:fault(fault)
      local code, out, err = run:grid("move-signer s.json --yes --json --to " .. NEW)
      assert.equal(1, code)
      local told = harness.objects(out)[1]
      assert.same({ "unknown", "yes" }, { told.submitted, told.error.sent })
      assert.matches("^grid: ", err)
    end)
  end
end)
