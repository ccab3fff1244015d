-- grid refresh-all: a folder of session files.

local child = require "spec.support.child"
local grid = require "grid"
local harness = require "spec.command.harness"

describe("grid refresh-all", function()
  local run

  setup(function() run = harness.start() end)
  teardown(function() run:stop() end)
  before_each(function()
    run:clear()
    run.server:set { tier = "2" }
  end)

  -- Session files all/01.json and so on; returns the sandbox's records.
  local function write_sessions(count)
    local made = {}
    run.folder:run "mkdir -p all"
    for i = 1, count do made[i] = run:write_session(("all/%02d.json"):format(i)) end
    return made
  end

  local function refresh_token(i)
    return run:json(("all/%02d.json"):format(i)).kms_payload.session.Privy.refresh_token
  end

  local function opens(i)
    local file = run:json(("all/%02d.json"):format(i))
    return assert(assert(grid.keypair(file.private_key)):open(file.kms_payload))
  end

  it("renews every session file, and nothing else in the folder", function()
    local made = write_sessions(5)
    run.folder:write("all/notes.txt", "not ours")
    run.folder:write("all/.hidden.json", "{}")
    local code, out, err = run:grid "refresh-all all"
    assert.same({ 0, "" }, { code, err })
    for i = 1, 5 do
      assert.matches(("%02d.json: refreshed, its key expires %%d+"):format(i), out)
      assert.not_equal(made[i].refresh_token, refresh_token(i))
      opens(i)
      assert.is_nil(out:find(refresh_token(i), 1, true))
      assert.equal("600", run:mode(("all/%02d.json"):format(i)))
    end
    assert.matches("5 of 5 refreshed, 0 failed, in [%d.]+ s\n$", out)
    assert.equal(5, run.server:stats().executions)
    assert.equal(".hidden.json\n01.json\n02.json\n03.json\n04.json\n05.json\nnotes.txt", run.folder:list "all")
  end)

  it("goes on when some fail, and its exit code counts them", function()
    local made = write_sessions(6)
    run.folder:write("all/02.json", "no JSON")
    run.folder:write("all/03.json", '{"session":{"Privy":{}}}')
    run.folder:run "mkdir all/07.json"
    run.server:fault { kind = "status", status = 500, code = "out_of_order", session = made[4].refresh_token }
    local code, out, err = run:grid "refresh-all all --json"
    assert.equal(4, code)
    local objects = harness.objects(out)
    local by_name = {}
    for _, object in ipairs(objects) do if object.file then by_name[object.file] = object end end
    assert.equal("bad_session_file", by_name["02.json"].error.code)
    assert.equal("no_private_key", by_name["03.json"].error.code)
    assert.equal("out_of_order", by_name["04.json"].error.code)
    assert.equal("not_written", by_name["07.json"].error.code)
    assert.same({ files = 7, refreshed = 3, failed = 4 }, objects[#objects])
    assert.matches("04.json: grid: api error, status 500", err)
    for _, i in ipairs { 1, 5, 6 } do
      assert.is_true(by_name[("%02d.json"):format(i)].refreshed)
      assert.not_equal(made[i].refresh_token, refresh_token(i))
    end
    assert.equal(made[4].refresh_token, refresh_token(4))
  end)

  it("refreshes a session once, however many files lead to it", function()
    write_sessions(1)
    run.folder:run [[cd all && ln -s 01.json link.json && sed 's/{/{ /g' 01.json >copy.json && cp copy.json late.json]]
    for _, concurrency in ipairs { 64, 1 } do
      local executions = run.server:stats().executions
      local code, out, err = run:grid("refresh-all all --json --concurrency " .. concurrency)
      assert.equal(3, code)
      assert.same({ files = 4, refreshed = 1, failed = 3 }, harness.objects(out)[5])
      for _, name in ipairs { "copy", "late", "link" } do
        local message = name .. ".json: grid: store error (same_session): the file holds the session of 01.json,"
        assert.truthy(err:find(message, 1, true), name)
      end
      assert.equal(executions + 1, run.server:stats().executions)
      opens(1)
      run.folder:run "cd all && cp 01.json copy.json && cp 01.json late.json"
    end
  end)

  it("says for each file how to ask again for an answer that was lost", function()
    local made = write_sessions(3)
    run.server:set { mode = "idempotent" }
    run.server:fault { kind = "drop", execute = true, session = made[2].refresh_token }
    run.server:fault { kind = "status", status = 504, execute = true, session = made[3].refresh_token }
    run:write_session("all/04.json", true)
    local bare = run:json "all/04.json".session.Privy.refresh_token
    run.server:fault { kind = "status", status = 500, execute = true, session = bare }
    local code, _, err = run:grid "refresh-all all --timeout 5 --concurrency 1 --key all/04.json.key"
    assert.equal(3, code)
    for i = 2, 4 do
      local words = err:match(("0%d.json: [^\n]* again: grid (refresh all/0%d.json [^\n]+)\n"):format(i, i))
      assert.matches("%-%-timeout 5$", words)
      assert.equal(i == 4, words:find("--key all/04.json.key", 1, true) ~= nil)
      assert.equal(0, (run:grid(words)))
    end
    opens(2)
    assert.equal(3, run.server:stats().replays)
  end)

  it("puts sessions into place while it waits for the answers of others", function()
    local made = write_sessions(3)
    run.server:fault { kind = "delay", hold = true, execute = true, session = made[2].refresh_token }
    run:shell(("cp -r all before; %s refresh-all all >/dev/null & held 1\n"):format(harness.GRID) .. [[
      for i in $(seq 500); do
        cmp -s all/01.json before/01.json || cmp -s all/03.json before/03.json || break
        sleep 0.02
      done
      cp -r all early; release; wait $!]])
    local function early(i) return run:json(("early/%02d.json"):format(i)).kms_payload.session.Privy.refresh_token end
    assert.not_equal(made[1].refresh_token, early(1))
    assert.equal(made[2].refresh_token, early(2))
    assert.not_equal(made[3].refresh_token, early(3))
    assert.not_equal(made[2].refresh_token, refresh_token(2))
  end)

  it("keeps no more calls in flight than it was told", function()
    write_sessions(4)
    run.server:fault { kind = "delay", delay = 0.2, count = 0, execute = true }
    local code, out = run:grid "refresh-all all --concurrency 1"
    assert.equal(0, code)
    assert.is_true(tonumber(out:match "in ([%d.]+) s") >= 0.8)
  end)

  it("begins nothing more when it is interrupted, waits for what was sent, and ends with 103", function()
    local made = write_sessions(4)
    run.server:fault { kind = "delay", answer_delay = 0.8, count = 0, execute = true }
    local code = run:shell(("%s refresh-all all --concurrency 2 >out 2>&1 &\n"):format(harness.IN_BACKGROUND)
      .. "executed 2; kill -INT $!; wait $!")
    assert.equal(103, code)
    for i = 1, 4 do assert.equal(i > 2, made[i].refresh_token == refresh_token(i), i) end
    assert.equal(2, run.server:stats().executions)
  end)

  it("loses no session when the reader of its output has ended", function()
    local made = write_sessions(120)
    local closed_pipe = "mkfifo pipe; : <pipe & exec 4>pipe; wait; "
    local code, _, err = run:shell((closed_pipe .. "%s refresh-all all --json >&4; echo $? >code"):format(harness.GRID))
    assert.equal(0, code)
    assert.equal("101\n", run.folder:read "code")
    assert.matches("Broken pipe", err)
    for i = 1, 120 do assert.not_equal(made[i].refresh_token, refresh_token(i)) end
  end)

  it("leaves whole files when it is killed #slow", function()
    for i = 1, 8 do
      run.folder:run "rm -rf all"
      write_sessions(12)
      run:shell(("%s refresh-all all >/dev/null 2>&1 & sleep %.3f; kill -9 $! 2>/dev/null; wait $!"):format(harness.GRID, 0.01 * i))
      for k = 1, 12 do opens(k) end
    end
  end)

  it("has exit codes of its own for what is not the failure of a file", function()
    assert.equal(101, (run:grid "refresh-all nowhere"))
    assert.equal(102, (run:grid "refresh-all"))
    for _, number in ipairs { "0", "1.5", "-1", "3000000000", "1e300" } do
      local code, _, err = run:grid("refresh-all all --concurrency " .. number)
      assert.same({ 102, "grid: refresh-all: --concurrency must be a whole number from 1 to 2147483647\n" }, { code, err })
    end
    run.folder:run "mkdir all"
    assert.equal(0, (run:grid "refresh-all all"))
  end)

  -- The command with a part of it replaced by a Lua script. -> exit code, stdout, stderr
  local function run_with(script, words)
    run.folder:write("broken.lua", script .. '\nos.exit(require("grid.cli").main(arg), true)')
    local code, out, err = run:shell(("exec env %s broken.lua %s"):format(child.vm, words))
    run.folder:run "rm broken.lua"
    return code, out, err
  end

  it("ends with 101 when what was saved cannot be brought to the disk", function()
    local made = write_sessions(2)
    local code, out, err = run_with([[
      local core = require "grid.core"
      local commit = core.files_commit
      core.files_commit = function(files)
        commit(files)
        return { { "store", "not_durable", "no disk" }, { "store", "not_durable", "no disk" } }
      end]], "refresh-all all --json")
    assert.same({ 101, "grid: store error (not_durable): no disk\n" }, { code, err })
    local objects = harness.objects(out)
    assert.same({ files = 2, refreshed = 2, failed = 0 }, objects[3])
    assert.equal("not_durable", objects[4].error.code)
    assert.equal("", run.folder:list "tmp")
    assert.not_equal(made[2].refresh_token, refresh_token(2))
  end)

  it("rescues the session that the disk did not take", function()
    local made = write_sessions(3)
    local code, out, err = run_with([[
      local core = require "grid.core"
      local commit = core.files_commit
      core.files_commit = function(files)
        local first = table.remove(files, 1)
        commit(files)
        first:close()
        return { { "store", "not_written", "no disk" } }
      end]], "refresh-all all --json --concurrency 1")
    assert.equal(1, code)
    assert.same({ files = 3, refreshed = 2, failed = 1 }, harness.objects(out)[4])
    local name, place = err:match "(0%d).json: the answer of the service is saved in [^\n]+/(tmp/%S+)\n"
    assert.equal(made[tonumber(name)].private_key, run:json(place).private_key)
    assert.equal(made[tonumber(name)].refresh_token, refresh_token(tonumber(name)))
  end)

  for what, script in pairs {
    write = 'getmetatable(require("grid.cli.session_file").new()).write = function() error "a fault" end',
    ["put into place"] = 'require("grid.cli.session_file").save_all = function() error "a fault" end',
  } do
    it("rescues each whole session that a fault of its own keeps from being " .. what:gsub("write", "written"), function()
      local made = write_sessions(3)
      local code, _, err = run_with(script, "refresh-all all")
      assert.equal(170, code)
      assert.matches("internal error: .*a fault", err)
      for i = 1, 3 do
        local place = err:match(("0%d.json: the answer of the service is saved in [^\n]+/(tmp/%%S+)\n"):format(i))
        local file = run:json(place)
        assert.equal(made[i].private_key, file.private_key)
        assert.not_equal(made[i].refresh_token, file.kms_payload.session.Privy.refresh_token)
        assert(assert(grid.keypair(file.private_key)):open(file.kms_payload))
      end
    end)
  end

  it("saves, and copies nothing, when telling of it is what fails", function()
    local made = write_sessions(3)
    local code = run_with([[
      local progress = require "grid.cli.progress"
      getmetatable(progress.new({ json = true }, 1)).count = function() error "a fault" end]], "refresh-all all")
    assert.equal(170, code)
    for i = 1, 3 do assert.not_equal(made[i].refresh_token, refresh_token(i)) end
    assert.equal("", run.folder:list "tmp")
  end)

  it("counts no further than 100", function()
    run.folder:run "mkdir all; for i in $(seq 103); do echo x >all/$i.json; done"
    assert.equal(100, (run:grid "refresh-all all 2>/dev/null"))
  end)

  -- Runs it on a terminal of that kind, which merges both outputs.
  local function on_terminal(kind)
    write_sessions(3)
    run.folder:write("all/04.json", "{}")
    return run:shell(("script -qec '%s refresh-all all' /dev/null"):format(harness.GRID:gsub("'", "'\\''")), { TERM = kind })
  end

  local has_script = os.execute "command -v script >/dev/null 2>&1"

  it("shows a bar on a terminal, and only failures beside it", function()
    if has_script ~= true and has_script ~= 0 then return pending "needs util-linux's script" end
    local code, out = on_terminal "xterm"
    assert.equal(1, code)
    assert.matches("%[#+%.*%] 4 of 4, 1 failed, %d+/s", out)
    assert.matches("04.json: grid: store error", out)
    assert.is_nil(out:find("01.json", 1, true))
    assert.matches("\r +\r3 of 4 refreshed, 1 failed", out)
    assert.is_nil(out:find "[\27\8]")
  end)

  for _, kind in ipairs { "dumb", "" } do
    it("shows a line for each file on a terminal that cannot write over one: TERM=" .. kind, function()
      if has_script ~= true and has_script ~= 0 then return pending "needs util-linux's script" end
      local code, out = on_terminal(kind)
      assert.equal(1, code)
      assert.is_nil(out:find "[\27\8]")
      assert.is_nil(out:find "\r[^\n]")
      assert.matches("01.json: refreshed", out)
      assert.matches("04.json: grid: store error", out)
    end)
  end
end)
