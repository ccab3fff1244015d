/* Lists of tasks: order, and the removal of a task from wherever it is. */
#include "check.h"

#include "http/task.h"

enum { COUNT = 3 };

static grid_task tasks[COUNT];
static grid_task_list list;

static void fill(void (*add)(grid_task_list *, grid_task *))
{
    memset(tasks, 0, sizeof tasks);
    list = (grid_task_list){NULL, NULL};
    for (int i = 0; i < COUNT; i++)
        add(&list, &tasks[i]);
}

/* Both ways through the list: the positions of its tasks as digits. */
static void check_order(const char *want)
{
    char forth[COUNT + 1] = "", back[COUNT + 1] = "";
    size_t size = 0, left = strlen(want);

    for (const grid_task *task = list.first; task && size < COUNT; task = task->next)
        forth[size++] = (char)('0' + (task - tasks));
    CHECK_STR(forth, want);
    for (const grid_task *task = list.last; task && left > 0; task = task->previous)
        back[--left] = (char)('0' + (task - tasks));
    CHECK_STR(back, want);
}

static void a_task_is_added_at_either_end(void)
{
    fill(grid_task_list_append);
    check_order("012");
    fill(grid_task_list_prepend);
    check_order("210");
}

static void a_task_is_removed_from_any_place(void)
{
    static const char *const without[COUNT] = {"12", "02", "01"};

    for (int i = 0; i < COUNT; i++) {
        fill(grid_task_list_append);
        grid_task_unlink(&tasks[i]);
        check_order(without[i]);
        grid_task_unlink(&tasks[i]); /* it is in no list */
        check_order(without[i]);
    }
}

static void a_list_that_was_emptied_takes_tasks_again(void)
{
    fill(grid_task_list_append);
    for (int i = 0; i < COUNT; i++)
        grid_task_unlink(&tasks[i]);
    check_order("");
    grid_task_list_append(&list, &tasks[1]);
    check_order("1");
}

int main(void)
{
    a_task_is_added_at_either_end();
    a_task_is_removed_from_any_place();
    a_list_that_was_emptied_takes_tasks_again();
    return check_report();
}
