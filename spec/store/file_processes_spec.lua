-- The store in a folder under several processes, of which some are killed, and on a disk
-- that fails.
-- Does not know: what the records are for.

local core = require "grid.core"
local grid = require "grid"

local child = require "spec.support.child"
local rig = require "spec.support.rig"

local folder, store

-- Runs Lua programs that know `store`, `id` and `say`, in a shell script: `$run NAME …`.
local function program(name, body)
  folder:write(name, [[
    local grid = require "grid"
    local store = grid.store.file { directory = "sessions" }
    local function say(...) print(...) io.stdout:flush() end
  ]] .. body)
end

local function run(script, env)
  folder:write("run", "exec env " .. child.vm .. ' "$@"')
  local code, out, err = folder:run("run='sh ./run'\n" .. script, env)
  return out, err, code
end

local function open() return grid.store.file { directory = folder.path .. "/sessions" } end

-- After a put of a store that was opened later.
local function assert_nothing_left()
  assert.equal("", folder:list "sessions/tmp")
end

before_each(function()
  rig.mark()
  folder = child.folder()
  store = open()
end)

after_each(function()
  folder:remove()
  rig.assert_nothing_left()
end)

describe("a store in a folder, used by several processes,", function()
  it("loses no compare-and-set", function()
    program("increment", [[
      local wins = 0
      repeat
        local blob, rev = store:get "n"
        local done, err = store:put("n", rev, ("%d"):format(tonumber(blob) + 1))
        if done then wins = wins + 1 else assert(err == "conflict", tostring(err)) end
      until wins == 200
    ]])
    assert(store:put("n", nil, "0"))
    local _, err = run "$run increment & $run increment; wait"
    assert.equal("", err)
    assert.equal("400", (store:get "n"))
    assert_nothing_left()
  end)

  it("gives a new record to one of those that add it", function()
    program("add", [[
      for i = 1, 60 do
        local done, err = store:put("id " .. i, nil, arg[1])
        if done then say(i) else assert(err == "conflict", tostring(err)) end
      end
    ]])
    assert(store:put("first", nil, ""))
    local out, err = run "for i in 1 2 3 4; do $run add $i & done; wait"
    assert.equal("", err)
    local wins = {}
    for number in out:gmatch "%d+" do
      assert.is_nil(wins[number])
      wins[number] = true
    end
    for i = 1, 60 do assert.is_true(wins[tostring(i)]) end
    assert_nothing_left()
  end)

  it("has no broken record and loses none when writers are killed #slow", function()
    program("writer", [[
      local log = io.open "log"
      local acknowledged = log and tonumber((log:read "*a"):match "(%d+)\n$") or 0
      local blob, rev = store:get "n"
      local n = blob and tonumber(blob:match "^%d+") or 0
      assert(n == acknowledged or n == acknowledged + 1, n .. " after " .. acknowledged)
      assert(not blob or blob == n .. (" "):rep(3000))
      local other, other_rev = store:get "m"
      assert(other ~= nil or other_rev == nil, tostring(other_rev))
      log = io.open("log", "a")
      while true do
        n = n + 1
        rev = assert(store:put("n", rev, n .. (" "):rep(3000), n))
        log:write(n, "\n")
        log:flush()
        if other_rev then assert(store:remove("m", other_rev)) other_rev = nil
        else other_rev = assert(store:put("m", nil, "x")) end
      end
    ]])
    local out, err = run [[
      for i in $(seq 50); do
        before=$(cat log 2>/dev/null | wc -l)
        $run writer & pid=$!
        while [ "$(cat log 2>/dev/null | wc -l)" -eq "$before" ] && kill -0 $pid 2>/dev/null; do sleep 0.002; done
        sleep 0.0$(( $(od -An -N2 -tu2 /dev/urandom) % 30 + 10 ))
        kill -9 $pid || echo "$pid has ended"
        wait $pid 2>/dev/null
      done
      tail -n 1 log
    ]]
    assert.equal("", err)
    local last, n = tonumber(out), tonumber((store:get "n"):match "^%d+")
    assert.is_true(last >= 50)
    assert.is_true(n == last or n == last + 1)
    assert.same({ "n" }, store:due(n, 10))
    assert(store:put("another", nil, "x"))
    assert_nothing_left()
  end)

  it("says that a record is busy when its lock is held by a process that was stopped", function()
    local rev = assert(store:put("n", nil, "1"))
    local path = child.capture("find " .. child.quote(folder.path .. "/sessions") .. " -type f")
    local holder = assert(core.file_begin(path))
    local done, err = store:put("n", rev, "2")
    holder:close()
    assert.is_nil(done)
    assert.equal("busy", err.code)
    assert.same({ "1", rev }, { store:get "n" })
    assert(store:put("n", rev, "2"))
    assert_nothing_left()
  end)
end)

describe("a put on a disk that fails", function()
  local env

  before_each(function()
    assert.equal("", (select(3, folder:run(("cc -shared -fPIC -o disk.so %s -ldl"):format(child.path "spec/command/disk.c")))))
    env = { LD_PRELOAD = "./disk.so" }
    program("put", [[
      local blob, rev = store:get(arg[1])
      local done, err = store:put(arg[1], rev, "new")
      say(done and "done" or err.kind .. " " .. err.code)
    ]])
    assert(store:put("old", nil, "old"))
  end)

  local ENOSPC, EIO = 28, 5

  for _, call in ipairs { "write " .. ENOSPC, "write " .. EIO, "sync " .. EIO, "sync " .. ENOSPC } do
    it("leaves the record as it was, and no file: " .. call, function()
      env.DISK_FAILS = call
      local out, err = run("$run put old; $run put new", env)
      assert.same({ "store not_written\nstore not_written\n", "" }, { out, err })
      assert.equal("old", (store:get "old"))
      assert.same({ "old" }, store:list(10))
      assert_nothing_left()
      assert.equal("done\ndone\n", (run "$run put old; $run put new"))
    end)
  end

  it("leaves the record as it was where it cannot be renamed or linked", function()
    env.DISK_FAILS = "rename " .. ENOSPC
    assert.equal("store not_written\n", (run("$run put old", env)))
    env.DISK_FAILS = "link " .. ENOSPC
    assert.equal("store not_written\n", (run("$run put new", env)))
    assert.equal("old", (store:get "old"))
    assert.same({ "old" }, store:list(10))
    assert_nothing_left()
  end)

  it("says that the record was changed and may not last", function()
    env.DISK_FAILS = "sync_folder " .. EIO
    assert.equal("store not_durable\nstore not_durable\n", (run("$run put old; $run put new", env)))
    assert.equal("new", (store:get "old"))
    assert.equal("new", (store:get "new"))
    assert_nothing_left()
  end)
end)

describe("a put, in the eyes of the system,", function()
  local CALLS = "write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink"

  -- The calls on the store's files, and of each the folder that it is about: "tmp", a
  -- record's, or both.
  local function traced(id, inject)
    local out, err, code = run(("strace -f -y -qq -e trace=%s %s -o trace $run put %s"):format(CALLS, inject or "", id))
    local calls = {}
    for line in folder:read("trace"):gmatch "[^\n]+" do
      local name, arguments = line:match "^%d+ +(%l+%d*)(%b())"
      if name and arguments:find("sessions", 1, true) then
        local where = {}
        if arguments:find "sessions/tmp" then where[#where + 1] = "tmp" end
        if arguments:find "sessions/%x%x[/>]" then where[#where + 1] = arguments:find "sessions/%x%x/" and "record" or "folder" end
        calls[#calls + 1] = name:gsub("at2?$", "") .. " " .. table.concat(where, " ")
      end
    end
    return calls, out, err, code
  end

  before_each(function()
    program("put", [[
      local blob, rev = store:get(arg[1])
      say(store:put(arg[1], rev, "new", 5) and "done" or "failed")
    ]])
    assert(store:put("old", nil, "old", 4))
  end)

  local function can_trace()
    return select(3, run "strace -qq -e inject=fsync:error=EIO true") == 0
  end

  it("is a write, a sync, a rename, and a sync of the folder", function()
    if not can_trace() then return pending "needs strace, and the right to trace" end
    assert.same({ "write tmp", "fsync tmp", "rename tmp record", "fsync folder" }, (traced "old"))
    assert.same({ "write tmp", "fsync tmp", "link tmp record", "unlink tmp", "fsync folder" }, (traced "new"))
  end)

  it("that is killed at any of these calls leaves the old record or the new one", function()
    if not can_trace() then return pending "needs strace, and the right to trace" end
    local _, rev = store:get "old"
    for _, at in ipairs {
      "write:signal=KILL:when=1", "fsync:signal=KILL:when=1", "rename:signal=KILL", "fsync:signal=KILL:when=2",
    } do
      local _, out = traced("old", "-e inject=" .. at)
      assert.equal("", out)
      local blob, now = store:get "old"
      assert.equal(now == rev and "old" or "new", blob, at)
      assert.same({ "old" }, store:due(5, 10))
      rev = assert(open():put("old", now, "old", 4))
      assert_nothing_left()
    end
    for _, at in ipairs { "link:signal=KILL", "unlink:signal=KILL", "fsync:signal=KILL:when=2" } do
      traced("new", "-e inject=" .. at)
      local blob, now = store:get "new"
      assert.is_true(blob == nil or blob == "new", at)
      assert.equal(blob == nil, now == nil)
      if blob then assert.is_true(store:remove("new", now)) end
      assert(open():put("other", select(2, store:get "other"), "x"))
      assert_nothing_left()
    end
  end)
end)
